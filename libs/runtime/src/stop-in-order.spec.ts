import { describe, expect, it } from 'vitest';
import { openLog } from './log.js';
import { stopInOrder } from './stop-in-order.js';

describe('stopping in turn', () => {
  it('goes on after a part that failed, logs it, and reports the first fault at the end', async () => {
    const stopped: string[] = [];
    const lines: string[] = [];
    const log = openLog({ destination: { write: (line) => void lines.push(line) } });
    const part = (name: string, fault?: Error) => ({
      name,
      stop: async () => {
        stopped.push(name);
        if (fault !== undefined) throw fault;
      },
    });
    const parts = [part('agent'), part('broker', new Error('disk full')), part('store', new Error('locked'))];
    await expect(stopInOrder(parts, log, 1_000)).rejects.toThrow('disk full');
    expect(stopped).toEqual(['agent', 'broker', 'store']);
    expect(lines.map((line) => JSON.parse(line).part)).toEqual(['broker', 'store']);
  });
});
