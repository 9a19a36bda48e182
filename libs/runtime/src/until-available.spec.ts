import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { untilAvailable } from './until-available.js';

describe('waiting for the other side', () => {
  it('ends when it is there, and tells about each attempt before', async () => {
    const faults = [new Problem('unavailable', 'not yet')];
    const waited: string[] = [];
    const open = async (): Promise<string> => {
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      return 'open';
    };
    expect(await untilAvailable(open, ({ message }) => waited.push(message))).toBe('open');
    expect(waited).toEqual(['not yet']);
  });

  it.each([
    ['a setting that is wrong', new Problem('config-invalid', 'no CA')],
    ['a fault nobody expected', new TypeError('x is not a function')],
  ])('ends at once with %s', async (_what, fault) => {
    await expect(
      untilAvailable(
        () => Promise.reject(fault),
        () => undefined,
      ),
    ).rejects.toBe(fault);
  });
});
