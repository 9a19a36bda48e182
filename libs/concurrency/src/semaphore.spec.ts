import { describe, expect, it } from 'vitest';
import { Semaphore } from './semaphore.js';

describe('a semaphore', () => {
  it('gives as many places as it has, at once', () => {
    const semaphore = new Semaphore(2);
    expect([1, 2, 3].map(() => semaphore.tryAcquire())).toEqual([true, true, false]);
  });

  it('gives a place that comes back to whoever has waited longest', async () => {
    const semaphore = new Semaphore(1);
    const order: string[] = [];
    await semaphore.acquire();
    const waits = ['a', 'b'].map(async (name) => {
      await semaphore.acquire();
      order.push(name);
    });
    semaphore.release();
    await waits[0];
    expect([order, semaphore.tryAcquire()]).toEqual([['a'], false]);
    semaphore.release();
    await waits[1];
    expect(order).toEqual(['a', 'b']);
    semaphore.release();
    expect(semaphore.tryAcquire()).toBe(true);
  });
});
