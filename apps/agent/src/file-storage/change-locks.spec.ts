import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ChangeLocks } from './change-locks.js';

/** Changes that end when the test says so, and a record of what has happened. */
class Scene {
  readonly locks = new ChangeLocks();
  readonly happened: string[] = [];
  private readonly ends = new Map<string, () => void>();

  change(file: string, name: string): Promise<string> {
    return this.locks.change(file, () => this.play(name));
  }

  standstill(name: string): Promise<string> {
    return this.locks.atStandstill(() => this.play(name));
  }

  /** Ends a running change; resolves when the change that waits for it has started. */
  async end(name: string): Promise<void> {
    this.ends.get(name)?.();
    await nextTurn();
  }

  private async play(name: string): Promise<string> {
    this.happened.push(`${name} begins`);
    await new Promise<void>((resolve) => this.ends.set(name, resolve));
    this.happened.push(`${name} ends`);
    return name;
  }
}

describe('changes of stored files', () => {
  it('run one after another on one file, side by side on different ones', async () => {
    const scene = new Scene();
    const changes = [scene.change('a', '1'), scene.change('a', '2'), scene.change('b', '3')];
    await nextTurn();
    expect(scene.happened).toEqual(['1 begins', '3 begins']);
    await scene.end('1');
    await scene.end('3');
    await scene.end('2');
    expect(scene.happened.slice(2)).toEqual(['1 ends', '2 begins', '3 ends', '2 ends']);
    expect(await Promise.all(changes)).toEqual(['1', '2', '3']);
  });

  it('go on after one that failed', async () => {
    const locks = new ChangeLocks();
    const failed = locks.change('a', () => Promise.reject(new Error('disk full')));
    const next = locks.change('a', async () => 'done');
    await expect(failed).rejects.toThrow('disk full');
    expect(await next).toBe('done');
  });

  it('are over when a standstill begins, and begin when it is over', async () => {
    const scene = new Scene();
    const work = [scene.change('a', '1'), scene.standstill('count'), scene.change('b', '2'), scene.standstill('again')];
    await nextTurn();
    expect(scene.happened).toEqual(['1 begins']);
    await scene.end('1');
    expect(scene.happened.slice(1)).toEqual(['1 ends', 'count begins']);
    await scene.end('count');
    expect(scene.happened.slice(3)).toEqual(['count ends', '2 begins']);
    await scene.end('2');
    await scene.end('again');
    expect(scene.happened.slice(5)).toEqual(['2 ends', 'again begins', 'again ends']);
    await Promise.all(work);
  });

  it('begin again when what was done at a standstill failed', async () => {
    const locks = new ChangeLocks();
    await expect(locks.atStandstill(() => Promise.reject(new Error('unreadable')))).rejects.toThrow('unreadable');
    expect(await locks.change('a', async () => 'done')).toBe('done');
  });
});
