import { describe, expect, it } from 'vitest';
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

  it('suggests what was meant', async () => {
    expect((await run('cert', 'shwo')).stderr).toContain('Did you mean show?');
  });

  it('never shows a stack', async () => {
    const { stderr } = await run('device', 'list');

    expect(stderr).toMatch(/^Error: [^\n]+\n[^\n]+\n$/);
  });
});
