import { openLog } from '@sallyport/runtime';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { Upkeep } from './upkeep.js';

const open = (steps: ConstructorParameters<typeof Upkeep>[0], intervalMs = 1) => {
  const logged: string[] = [];
  const log = openLog({ destination: { write: (line: string) => void logged.push(line) } });
  return { upkeep: new Upkeep(steps, log, intervalMs), logged };
};

describe('upkeep', () => {
  it('takes every step in order, again and again, until it is stopped', async () => {
    const taken: string[] = [];
    const step = (name: string) => ({ name, run: async () => void taken.push(name) });
    const { upkeep } = open([step('first'), step('second')]);
    upkeep.start();
    await waitFor(() => taken.length >= 6);
    await upkeep.stop();
    const { length } = taken;
    expect(taken.slice(0, 4)).toEqual(['first', 'second', 'first', 'second']);
    await upkeep.runOnce();
    expect(taken).toHaveLength(length + 2);
  });

  it('goes on after a step that failed, and names it in the log', async () => {
    const taken: string[] = [];
    const { upkeep, logged } = open([
      { name: 'rotation', run: () => Promise.reject(new Error('disk on fire')) },
      { name: 'CRLs', run: async () => void taken.push('CRLs') },
    ]);
    await upkeep.runOnce();
    expect(taken).toEqual(['CRLs']);
    expect(logged.join('')).toContain('"step":"rotation"');
  });

  it('tells a fault that stays once a minute', async () => {
    const { upkeep, logged } = open([{ name: 'CRLs', run: () => Promise.reject(new Error('disk full')) }]);
    for (let rounds = 0; rounds < 10; rounds += 1) await upkeep.runOnce();
    expect(logged).toHaveLength(1);
  });

  it('lets the round under way end before it counts as stopped', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let hasEnded = false;
    const run = async () => {
      await promise;
      hasEnded = true;
    };
    const { upkeep } = open([{ name: 'slow', run }]);
    void upkeep.runOnce();
    const stopped = upkeep.stop();
    resolve();
    await stopped;
    expect(hasEnded).toBe(true);
  });
});
