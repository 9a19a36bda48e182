import { describe, expect, it } from 'vitest';
import { PeriodicWork } from './periodic-work.js';

describe('work that is done again and again', () => {
  /** Resolves with each round, in order. */
  function rounds(everyMs: number, round: (count: number) => Promise<void> = async () => undefined) {
    let count = 0;
    const faults: unknown[] = [];
    const waiting: (() => void)[] = [];
    const work = new PeriodicWork({
      everyMs,
      work: async () => {
        count += 1;
        waiting.shift()?.();
        await round(count);
      },
      onError: (fault) => void faults.push(fault),
    });
    const next = () => new Promise<void>((resolve) => void waiting.push(resolve));
    return { work, next, faults, count: () => count };
  }

  it('begins at once, and goes on after a round that failed', async () => {
    const { work, next, faults } = rounds(1, async (count) => {
      if (count === 1) throw new Error('the first fails');
    });
    const [first, second] = [next(), next()];
    work.start();
    await first;
    await second;
    await work.stop();
    expect(faults).toEqual([new Error('the first fails')]);
  });

  it('ends with the round under way, which is told to', async () => {
    let hasEnded = false;
    const work = new PeriodicWork({
      everyMs: 60_000,
      work: async (signal) => {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        hasEnded = true;
      },
      onError: () => undefined,
    });
    work.start();
    await work.stop();
    expect(hasEnded).toBe(true);
  });

  it('waits between its rounds, and ends the wait when it is stopped', async () => {
    const { work, next, count } = rounds(60_000);
    const first = next();
    work.start();
    await first;
    await work.stop();
    expect(count()).toBe(1);
  });
});
