import { describe, expect, it } from 'vitest';
import { KeyedSerialQueue, SerialQueue } from './serial-queue.js';

/** Work that notes when it starts, and ends when it is told to. */
function heldWork() {
  const started: string[] = [];
  const holds = new Map<string, PromiseWithResolvers<string>>();
  const work = (name: string) => () => {
    started.push(name);
    const hold = Promise.withResolvers<string>();
    holds.set(name, hold);
    return hold.promise;
  };
  return {
    started,
    work,
    finish: (name: string) => holds.get(name)?.resolve(name),
    fail: (name: string) => holds.get(name)?.reject(new Error(name)),
  };
}

describe('a serial queue', () => {
  it('starts work at once when nothing runs', () => {
    const { started, work } = heldWork();
    void new SerialQueue().run(work('a'));
    expect(started).toEqual(['a']);
  });

  it('runs work in the order it was asked for, one at a time', async () => {
    const { started, work, finish } = heldWork();
    const queue = new SerialQueue();
    const all = ['a', 'b', 'c'].map((name) => queue.run(work(name)));
    finish('a');
    expect(await all[0]).toBe('a');
    await Promise.resolve();
    expect(started).toEqual(['a', 'b']);
    finish('b');
    await all[1];
    await Promise.resolve();
    finish('c');
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c']);
  });

  it('tells a failure to the one who asked, and goes on', async () => {
    const queue = new SerialQueue();
    const failed = queue.run(() => Promise.reject(new Error('disk full')));
    const next = queue.run(async () => 'done');
    await expect(failed).rejects.toThrow('disk full');
    await expect(next).resolves.toBe('done');
  });

  it('rejects when the work throws before it waits for anything', async () => {
    const queue = new SerialQueue();
    const broken = queue.run(() => {
      throw new Error('broken');
    });
    await expect(broken).rejects.toThrow('broken');
    await expect(queue.run(async () => 'done')).resolves.toBe('done');
  });

  it('is idle when everything has ended, whether well or not', async () => {
    const { work, fail } = heldWork();
    const queue = new SerialQueue();
    expect(queue.isIdle).toBe(true);
    const failed = queue.run(work('a')).catch(() => 'failed');
    expect(queue.isIdle).toBe(false);
    fail('a');
    await queue.idle();
    expect(queue.isIdle).toBe(true);
    expect(await failed).toBe('failed');
  });
});

describe('a keyed serial queue', () => {
  it('runs work of different keys side by side, work of one key one after the other', async () => {
    const { started, work, finish } = heldWork();
    const queue = new KeyedSerialQueue();
    const first = queue.run('a', work('a1'));
    const second = queue.run('a', work('a2'));
    void queue.run('b', work('b1'));
    expect(started).toEqual(['a1', 'b1']);
    finish('a1');
    await first;
    await Promise.resolve();
    expect(started).toEqual(['a1', 'b1', 'a2']);
    finish('a2');
    expect(await second).toBe('a2');
  });

  it('keeps the order when more is asked for the moment something ends', async () => {
    const queue = new KeyedSerialQueue();
    const ended: number[] = [];
    const add = (index: number) => queue.run('a', async () => void ended.push(index));
    await Promise.all([add(0).then(() => add(2)), add(1)]);
    expect(ended).toEqual([0, 1, 2]);
  });

  it('remembers no key without work', async () => {
    const queue = new KeyedSerialQueue();
    const failed = queue.run('a', () => Promise.reject(new Error('no'))).catch(() => undefined);
    void queue.run('a', async () => undefined);
    void queue.run('b', async () => undefined);
    expect(queue.size).toBe(2);
    await queue.idle();
    await failed;
    expect(queue.size).toBe(0);
  });
});
