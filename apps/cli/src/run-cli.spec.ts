import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import manifest from '../package.json' with { type: 'json' };
import { runSallyport } from './fixtures/run-sallyport.fixture.js';

const run = (...words: string[]) => runSallyport(words, { cwd: '/nowhere' });

describe('sallyport', () => {
  it('prints its version', async () => {
    expect(await run('--version')).toEqual({ exitCode: 0, stdout: `${manifest.version}\n`, stderr: '' });
  });

  it.each(['device', 'cert', 'secure', 'doctor', 'status', 'ca', 'config', 'completion'])(
    'explains "%s"',
    async (command) => {
      const { exitCode, stdout } = await run(command, '--help');

      expect(exitCode).toBe(0);
      expect(stdout).toMatch(new RegExp(`^Usage: sallyport ${command}`));
    },
  );

  it.each([
    ['no command', []],
    ['an unknown command', ['frobnicate']],
    ['half a command', ['cert']],
    ['an unknown option', ['doctor', '--deep']],
    ['an argument too many', ['doctor', 'all']],
    ['an option without its value', ['doctor', '--config-dir']],
  ])('exits with 2 when it is called with %s', async (_, words) => {
    const { exitCode, stdout, stderr } = await run(...words);

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).not.toBe('');
  });

  it.each([
    ['cert', 'download', '--one-time-pasword=very-secret'],
    ['cert', 'download', '--one-time-password-fil=very-secret'],
    ['cert', 'show', '-pvery-secret'],
  ])('does not repeat what was given to an option it does not know: %j', async (...words) => {
    const { exitCode, stderr } = await run(...words);

    expect(exitCode).toBe(2);
    expect(stderr).not.toContain('secret');
  });

  it.each([
    ['very long', 'a'.repeat(5_000)],
    ['made to steer a terminal', 'a\u001b[31mb\rc'],
  ])('repeats a value that is %s short and without control characters', async (_, value) => {
    for (const words of [
      ['device', 'show', value],
      ['cert', 'create', '--device-id', value],
      ['config', 'get', value],
    ]) {
      const { exitCode, stderr } = await run(...words);

      expect(exitCode).toBe(2);
      expect(stderr.length).toBeLessThan(1_000);
      expect(stderr).not.toMatch(/[^\P{Cc}\n]/u);
    }
  });

  it.each([
    [
      ['cert', 'download', '--device-id', 'a', '--one-time-password-file', '.'],
      '/ is a directory|/: it is a directory',
    ],
    [['cert', 'download', '--device-id', 'a', '-p', 'x', '--ca', '/'], '/: it is a directory'],
    [['cert', 'create-csr', '--device-id', 'a', '--output-path', '/'], '/ is a directory'],
    [['cert', 'show', '--cert-path', '/'], '/ is a directory'],
    [['ca', 'import', '/', '--purpose', 'device'], '/ is a directory'],
    [['cert', 'show', '--cert-path', `/${'a'.repeat(300)}`], 'ENAMETOOLONG'],
    [['cert', 'download', '--device-id', 'a', '-p', 'x', '--ca', `/${'a'.repeat(300)}`], 'the name is too long'],
  ])('names the path and the reason, and is no failure of ours: %j', async (words, reason) => {
    const directory = temporaryDirectory('sallyport-run-');
    onTestFinished(() => directory.remove());

    const { exitCode, stderr } = await runSallyport([...words, '--config-dir', directory.path], { cwd: '/' });

    expect(exitCode).toBe(1);
    expect(stderr).toMatch(new RegExp(reason));
    expect(stderr).not.toContain('Unexpected');
  });

  it('suggests what was meant', async () => {
    expect((await run('cert', 'shwo')).stderr).toContain('Did you mean show?');
  });

  it('never shows a stack', async () => {
    const { stderr } = await run('device', 'list');

    expect(stderr).toMatch(/^Error: [^\n]+\n[^\n]+\n$/);
  });
});
