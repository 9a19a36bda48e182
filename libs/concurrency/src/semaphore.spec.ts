import { describe, expect, it } from 'vitest';
import { KeyedSemaphore, Semaphore } from './semaphore.js';

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

describe('a wait for a place', () => {
  it('ends when its signal fires, and the place goes to the next that waits', async () => {
    const semaphore = new Semaphore(1);
    const leaving = new AbortController();
    await semaphore.acquire();
    const left = expect(semaphore.acquire(leaving.signal)).rejects.toThrow('gone');
    const next = semaphore.acquire();
    leaving.abort(new Error('gone'));
    await left;
    semaphore.release();
    await next;
    semaphore.release();
    expect(semaphore.isIdle).toBe(true);
  });

  it('does not begin when its signal has fired, even if a place is free', async () => {
    const semaphore = new Semaphore(1);
    await expect(semaphore.acquire(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
    expect(semaphore.isIdle).toBe(true);
  });

  it('that got its place keeps it when the signal fires later', async () => {
    const semaphore = new Semaphore(1);
    const leaving = new AbortController();
    await semaphore.acquire();
    const waiting = semaphore.acquire(leaving.signal);
    semaphore.release();
    leaving.abort(new Error('gone'));
    await waiting;
    expect(semaphore.tryAcquire()).toBe(false);
  });
});

describe('a semaphore for each key', () => {
  it('gives each key its own places', () => {
    const semaphores = new KeyedSemaphore((key) => key.length);
    expect(['a', 'a', 'bb', 'bb', 'bb'].map((key) => semaphores.tryAcquire(key))).toEqual([
      ...[true, false, true, true, false],
    ]);
  });

  it('forgets a key when its last place has come back, and not while somebody waits', async () => {
    const semaphores = new KeyedSemaphore(() => 1);
    await semaphores.acquire('a');
    const waiting = semaphores.acquire('a');
    semaphores.release('a');
    await waiting;
    expect([semaphores.size, semaphores.tryAcquire('a')]).toEqual([1, false]);
    semaphores.release('a');
    expect(semaphores.size).toBe(0);
  });
});
