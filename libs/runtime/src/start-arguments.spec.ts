import { afterEach, describe, expect, it, vi } from 'vitest';
import { startArguments } from './start-arguments.js';

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
});

describe('arguments of a start', () => {
  it('say in one line that the working folder has been deleted, and exit with 1', () => {
    vi.spyOn(process, 'cwd').mockImplementation(() => {
      throw Object.assign(new Error('ENOENT: uv_cwd'), { code: 'ENOENT' });
    });
    const written = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect(startArguments('mqtt-broker')).toBeUndefined();
    expect(written.mock.calls).toEqual([['Error: The working folder has been deleted. Go to another one: cd /\n']]);
    expect(process.exitCode).toBe(1);
  });
});
