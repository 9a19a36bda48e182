import { describe, expect, it } from 'vitest';
import { commandAt, leafPaths, newProgram, requiredWords } from './fixtures/command-tree.fixture.js';
import { runSallyport } from './fixtures/run-sallyport.fixture.js';
import { globalOptions, optionsOf } from './options.js';

/** The global options a command gets, when the words stand before it and after it. */
async function optionsReceived(path: readonly string[], { before = [], after = [] }: Placed): Promise<object> {
  const program = newProgram();
  const command = commandAt(program, path);
  let received: object = {};
  command.action(() => {
    received = optionsOf(command, globalOptions);
  });
  await program.parseAsync([...before, ...path, ...requiredWords(command), ...after], { from: 'user' });
  return received;
}

interface Placed {
  readonly before?: readonly string[];
  readonly after?: readonly string[];
}

const paths = leafPaths(newProgram());

const spellings = [
  { words: ['--debug'], received: { debug: true } },
  { words: ['--debug=true'], received: { debug: true } },
  { words: ['--debug=false'], received: { debug: false } },
  { words: ['--log-level', 'warn'], received: { logLevel: 'warn' } },
  { words: ['--log-level=TRACE'], received: { logLevel: 'trace' } },
  { words: ['--json'], received: { json: true } },
  { words: ['--json=true'], received: { json: true } },
  { words: ['--json=false'], received: { json: false } },
  { words: ['--config-dir', '/etc/other'], received: { configDir: '/etc/other' } },
  { words: ['--config-dir=/etc/other'], received: { configDir: '/etc/other' } },
  { words: ['--admin-url', 'https://gateway:8002'], received: { adminUrl: 'https://gateway:8002' } },
];

describe('global options', () => {
  it('are tried with the whole command tree', () => {
    expect(paths.map((path) => path.join(' '))).toEqual(
      expect.arrayContaining(['device show', 'cert renew', 'secure mutual', 'doctor', 'ca import', 'config set']),
    );
  });

  it.each(paths)('are taken before and after %s %s', async (...path) => {
    for (const { words, received } of spellings) {
      expect(await optionsReceived(path, { before: words })).toMatchObject(received);
      expect(await optionsReceived(path, { after: words })).toMatchObject(received);
    }
  });

  it.each(paths)('are explained by the help of %s %s', async (...path) => {
    const { stdout } = await runSallyport([...path, '--help'], { cwd: '/nowhere' });

    for (const flag of ['--config-dir <dir>', '--debug', '--log-level <level>', '--json', '--admin-url <url>'])
      expect(stdout).toContain(flag);
  });

  it.each([
    [['--debug=yes'], 'ption --debug takes no value but true or false'],
    [['--json='], 'ption --json takes no value but true or false'],
    [['--log-level', 'loud'], 'It is one of error, warn, info, debug, trace.'],
  ])('are a wrong call as %j', async (words, message) => {
    const { exitCode, stdout, stderr } = await runSallyport([...words, 'config', 'list'], { cwd: '/nowhere' });

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(message);
  });

  it('do not repeat what was given to a flag: it may be a secret meant for another option', async () => {
    const { exitCode, stderr } = await runSallyport(['cert', 'download', '--prompt=very-secret'], { cwd: '/nowhere' });

    expect(exitCode).toBe(2);
    expect(stderr).not.toContain('secret');
  });

  it('leave the value of another option alone, whatever it looks like', async () => {
    const program = newProgram();
    const lock = commandAt(program, ['device', 'lock']);
    let reason: unknown;
    lock.action(() => {
      ({ reason } = lock.opts());
    });

    await program.parseAsync(['device', 'lock', 'child01', '--reason', '--prompt=false'], { from: 'user' });

    expect(reason).toBe('--prompt=false');
  });
});

describe('--log-level', () => {
  const env = { TEDGE_NO_SUCH_KEY: 'x' };
  const list = (...words: string[]) =>
    runSallyport([...words, 'config', 'list', 'http.bind', '--config-dir', '/nowhere'], { cwd: '/', env });

  it('shows warnings unless only errors are asked for', async () => {
    expect((await list()).stderr).toMatch(/^Warning: [^\n]*TEDGE_NO_SUCH_KEY/);
    expect((await list('--log-level', 'error')).stderr).toBe('');
    expect((await list('--log-level', 'error', '--debug')).stderr).toBe('');
  });

  it.each([['--debug'], ['--log-level=debug'], ['--log-level=trace']])(
    'shows with %s what a failure comes from, and no stack',
    async (...words) => {
      const run = (more: readonly string[]) =>
        runSallyport([...more, 'device', 'list', '--config-dir', '/nowhere'], { cwd: '/' });

      const { stderr } = await run(words);

      expect((await run([])).stderr).not.toContain('Debug');
      expect(stderr).toMatch(/^Debug: configuration directory: \/nowhere$/m);
      expect(stderr).toMatch(/^Debug: GET \/v1\/devices\S* of device-registry at \/\S+$/m);
      expect(stderr).toMatch(/^Debug: caused by: ENOENT: connect ENOENT /m);
      expect(stderr).not.toContain('    at ');
    },
  );
});
