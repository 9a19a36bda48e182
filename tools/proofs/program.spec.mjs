import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { Program } from './program.mjs';

const longMs = 20_000;

function start(script) {
  const lines = [];
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  return { program: new Program(child, (line) => lines.push(line)), lines };
}

describe('a program that is watched', () => {
  it('is heard on both of its outputs, line by line', async () => {
    const { program, lines } = start('echo one; echo two >&2');
    expect(await program.end(longMs)).toBe(0);
    expect(lines.toSorted()).toEqual(['one', 'two']);
  });

  it('is waited for until it says something', async () => {
    const { program } = start('trap "exit 130" INT; echo "runs on port 8000"; while :; do sleep 1; done');
    expect((await program.says(/port (\d+)/, longMs))[1]).toBe('8000');
    program.interrupt();
    expect(await program.end(longMs)).toBe(130);
  });

  it('fails with its last words when it ends before it has said it', async () => {
    const { program } = start('echo no disk >&2; exit 1');
    await expect(program.says(/runs/, longMs)).rejects.toThrow(/did not say \/runs\/: it ended.*no disk/s);
  });

  it('is ended, with all it started, when it takes too long', async () => {
    const { program } = start('sleep 60 & sleep 60');
    await expect(program.end(50)).rejects.toThrow('did not end within 0.05 s');
    expect(await program.end(longMs)).toBe('SIGKILL');
  });
});
