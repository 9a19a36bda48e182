import { mkdir, writeFile } from 'node:fs/promises';
import { mustRun, temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { runSallyport } from '../fixtures/run-sallyport.fixture.js';

/** What bash offers for a command line; the last word is the one being typed. */
async function offered(words: readonly string[]): Promise<string[]> {
  await using directory = temporaryDirectory();
  const { stdout } = await runSallyport(['completion', 'bash'], { cwd: '/' });
  await writeFile(directory.file('sp.bash'), stdout);
  const line = words.map((word) => `'${word}'`).join(' ');
  const program = `source ./sp.bash; COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; _sallyport; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return (await mustRun('bash', ['-c', program], { cwd: directory.path })).trim().split('\n');
}

describe('completion bash', () => {
  it.each([
    [['sallyport', 'se'], ['secure']],
    [['tedge', 'cert', 'dow'], ['download']],
    [['sallyport', '--json', 'device', 'rev'], ['revoke']],
    [
      ['sallyport', 'cert', 'download', '--one-time'],
      ['--one-time-password', '--one-time-password-file'],
    ],
    [
      ['sallyport', 'config', 'get', 'http.bind.'],
      ['http.bind.port', 'http.bind.address'],
    ],
    [['sallyport', 'completion', 'z'], ['zsh']],
  ])('offers for %j what fits: %j', async (words, expected) => {
    expect(await offered(words)).toEqual(expected);
  });

  it('offers files where nothing else fits', async () => {
    expect(await offered(['sallyport', 'ca', 'import', 'sp.'])).toEqual(['sp.bash']);
  });

  it.each(['my cert.pem', 'a*', '$(touch owned)', "it's"])('offers the file %j whole', async (name) => {
    await using directory = temporaryDirectory();
    const { stdout } = await runSallyport(['completion', 'bash'], { cwd: '/' });
    await writeFile(directory.file('sp.bash'), stdout);
    await mkdir(directory.file('files'));
    for (const file of [name, 'a1']) await writeFile(directory.file('files', file), '');
    const program = `source ./sp.bash; COMP_WORDS=(sallyport ca import files/); COMP_CWORD=3; _sallyport; printf '%s\\n' "\${COMPREPLY[@]}"`;

    const offers = (await mustRun('bash', ['-c', program], { cwd: directory.path })).trim().split('\n');

    expect(offers.sort()).toEqual([`files/${name}`, 'files/a1'].sort());
  });
});

describe('completion for other shells', () => {
  it.each([
    ['zsh', '#compdef sallyport tedge\n'],
    ['fish', 'complete -c sallyport '],
  ])('%s gets a script that covers every command', async (shell, start) => {
    const { exitCode, stdout } = await runSallyport(['completion', shell], { cwd: '/' });

    expect(exitCode).toBe(0);
    expect(stdout.startsWith(start)).toBe(true);
    for (const word of ['enroll-token', 'needs-renewal', 'mutual', 'doctor']) expect(stdout).toContain(word);
  });

  it('is called wrongly for a shell nobody knows', async () => {
    expect((await runSallyport(['completion', 'tcsh'], { cwd: '/' })).exitCode).toBe(2);
  });
});
