import { describe, expect, it } from 'vitest';
import { processArguments } from './process-arguments.js';

describe('process arguments', () => {
  it('hand over a copy of the environment, the working directory and the flags', () => {
    const { env, cwd, options } = processArguments();
    expect(env).toEqual(process.env);
    expect(env).not.toBe(process.env);
    expect(cwd).toBe(process.cwd());
    expect(options).toEqual({ argv: process.argv.slice(2) });
  });
});
