import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { within } from './deadline.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const late = () => new Error('too late');
const never = () => new Promise<never>(() => undefined);

describe('a deadline', () => {
  it('gives what the work gives, and leaves no timer behind', async () => {
    expect(await within(Promise.resolve(7), 1_000, { late })).toBe(7);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('throws what the work throws', async () => {
    await expect(within(Promise.reject(new Error('refused')), 1_000, { late })).rejects.toThrow('refused');
  });

  it('throws when the time is over', async () => {
    const outcome = expect(within(never(), 1_000, { late })).rejects.toThrow('too late');
    await vi.advanceTimersByTimeAsync(1_000);
    await outcome;
  });

  it('throws the reason of a signal that fires first, and leaves no timer and no listener behind', async () => {
    const controller = new AbortController();
    const outcome = within(never(), 1_000, { late, signal: controller.signal });
    controller.abort(new Error('stopping'));
    await expect(outcome).rejects.toThrow('stopping');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not wait at all for a signal that has fired', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(within(Promise.resolve(7), 1_000, { late, signal })).rejects.toThrow('stopped');
  });

  it('ignores what the work comes to later', async () => {
    const work = Promise.withResolvers<never>();
    const outcome = expect(within(work.promise, 1_000, { late })).rejects.toThrow('too late');
    await vi.advanceTimersByTimeAsync(1_000);
    await outcome;
    work.reject(new Error('nobody hears this'));
    await vi.runAllTimersAsync();
  });
});

describe('a deadline in a process that is held up', () => {
  beforeEach(() => void vi.useRealTimers());

  it('does not lose an answer that came while the process could not listen', async () => {
    const answer = new Promise((resolve) => setTimeout(resolve, 40, 'the answer'));
    const outcome = within(answer, 20, { late });
    holdUp(300);
    expect(await outcome).toBe('the answer');
  });

  it('ends all the same without an answer', async () => {
    const outcome = within(never(), 200, { late });
    holdUp(400);
    await expect(outcome).rejects.toThrow('too late');
  });
});

function holdUp(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}
