import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mustRun, temporaryDirectory } from '@sallyport/testkit';
import type { Command } from 'commander';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newProgram } from './fixtures/command-tree.fixture.js';
import { runSallyport, type World } from './fixtures/run-sallyport.fixture.js';
import { TestAuthority } from './fixtures/test-authority.fixture.js';

/** A folder with a configuration directory `here`. */
function folder() {
  const directory = temporaryDirectory('sallyport-advice-');
  onTestFinished(() => directory.remove());
  const cwd = directory.path;
  return {
    cwd,
    certs: join(cwd, 'here', 'device-certs'),
    run: (words: readonly string[], world: Partial<World> = {}) =>
      runSallyport([...words, '--config-dir', 'here'], { cwd, ...world }),
    async write(path: string, content: string) {
      await mkdir(dirname(join(cwd, path)), { recursive: true });
      await writeFile(join(cwd, path), content);
    },
  };
}
type Folder = ReturnType<typeof folder>;

/** What the advice says to type, as a user types it: the first command in it, capitals replaced by the user's own words. */
function adviceIn(stderr: string, own: Readonly<Record<string, string>>): string[] {
  const [, advice = ''] = stderr.split('\n');
  const [command = ''] = /sallyport(?: [\w.-]+)+(?<!\.)/.exec(advice) ?? [];
  const words = command.trim().split(' ').slice(1);
  return words.map((word) => own[word] ?? word);
}

interface Case {
  readonly fault: string;
  readonly words: readonly string[];
  readonly before?: (folder: Folder) => Promise<unknown>;
  readonly own?: Readonly<Record<string, string>>;
  readonly command: string;
}

const cases: Case[] = [
  {
    fault: 'no device id is known',
    words: ['cert', 'create'],
    own: { ID: 'gw1' },
    command: '--config-dir here config set device.id gw1',
  },
  {
    fault: 'a certificate is there already',
    words: ['cert', 'create', '--device-id', 'gw1'],
    before: ({ run }) => run(['cert', 'create', '--device-id', 'gw0']),
    command: '--config-dir here cert remove',
  },
  {
    fault: 'a key is there already',
    words: ['cert', 'create', '--device-id', 'gw1'],
    before: ({ run }) => run(['cert', 'create-csr', '--device-id', 'gw0']),
    command: '--config-dir here cert remove',
  },
];

describe('advice', () => {
  it.each(cases)('works when it is followed: $fault', async ({ words, before, own = {}, command }) => {
    const one = folder();
    await before?.(one);

    const refused = await one.run(words);
    const advised = adviceIn(refused.stderr, own);
    const followed = await runSallyport(advised, { cwd: one.cwd });

    expect(refused.exitCode).toBe(1);
    expect(advised.join(' ')).toBe(command);
    expect(followed.exitCode).toBe(0);
    expect((await one.run(words)).exitCode).toBe(0);
  });

  it('works when it is a command of the system', async () => {
    const one = folder();
    const env = { TEDGE_DEVICE_CERT_PATH: join(one.cwd, 'else where', 'cert.pem') };

    const { stderr } = await one.run(['cert', 'create', '--device-id', 'gw1'], { env });
    const [, command = ''] = /\((mkdir [^)]*)\)/.exec(stderr) ?? [];
    await mustRun('sh', ['-c', command]);

    expect((await one.run(['cert', 'create', '--device-id', 'gw1'], { env })).exitCode).toBe(0);
  });

  it('names the program and the directory of the call it answers, and no other', async () => {
    const { cwd, run } = folder();
    await runSallyport(['cert', 'create', '--device-id', 'other', '--config-dir', 'there'], { cwd });
    await run(['cert', 'create', '--device-id', 'gw0']);
    const before = await readFile(join(cwd, 'there/device-certs/tedge-private-key.pem'), 'utf8');

    const { stderr } = await run(['cert', 'create', '--device-id', 'gw1']);
    await runSallyport(adviceIn(stderr, {}), { cwd, env: { TEDGE_CONFIG_DIR: 'there' } });

    expect(await readFile(join(cwd, 'there/device-certs/tedge-private-key.pem'), 'utf8')).toBe(before);
  });

  it.each([
    ['a file that is not there', 'cert show --cert-path nothing.pem', 'There is no file '],
    ['a key', 'cert show --cert-path key.pem', 'holds no certificate in PEM, but a private key.'],
    ['a directory', 'cert show --cert-path here', 'is a directory.'],
    ['text', 'cert needs-renewal --cert-path text.pem', 'holds no certificate in PEM.'],
    ['damage', 'cert show --cert-path damaged.pem', 'holds a certificate that cannot be read: '],
    ['an empty path', 'cert show --cert-path EMPTY', 'is a directory.'],
  ])('for --cert-path with %s is about the path, and removes nothing', async (_, line, fault) => {
    const one = folder();
    await one.run(['cert', 'create', '--device-id', 'gw1']);
    await one.write('key.pem', new TestAuthority().issue({ commonName: 'x' }).keyPem);
    await one.write('text.pem', 'text');
    await one.write('damaged.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');

    const { exitCode, stderr } = await one.run(line.split(' ').map((word) => word.replace('EMPTY', '')));

    expect(exitCode).toBe(line.includes('needs-renewal') ? 2 : 1);
    expect(stderr).toContain(fault);
    expect(stderr).toMatch(/\nGive the path of a certificate in PEM\.\n$/);
  });

  it.each([
    ['a signing request', ['cert', 'create-csr', '--device-id', 'gw', '--output-path', 'precious.pem'], 'Give another'],
    [
      'a request to send',
      [
        'cert',
        'download',
        '--device-id',
        'gw',
        '-p',
        'x',
        '--csr-path',
        'precious.pem',
        '--ca',
        'ca.pem',
        '--url',
        'host.invalid',
        '--max-timeout',
        '0s',
      ],
      'left alone',
    ],
  ])('is to give another path where %s would take the place of a key', async (_, words, advice) => {
    const one = folder();
    const authority = new TestAuthority();
    const { keyPem } = authority.issue({ commonName: 'x' });
    await one.write('precious.pem', keyPem);
    await one.write('ca.pem', authority.rootPem);

    const { exitCode, stderr } = await one.run(words);

    expect(exitCode).toBe(1);
    expect(stderr).toContain(advice);
    expect(await readFile(join(one.cwd, 'precious.pem'), 'utf8')).toBe(keyPem);
  });
});

describe('commands in texts', () => {
  const program = newProgram();

  /** The first word that means nothing there; undefined when all of them are right. */
  function strangeWord(words: readonly string[]): string | undefined {
    let command: Command = program;
    for (const word of words) {
      const child = command.commands.find((candidate) => candidate.name() === word);
      if (child !== undefined) command = child;
      else if (word.startsWith('--')) {
        const known = [...command.options, ...program.options].map(({ long }) => long);
        if (![...known, '--help'].includes(word)) return word;
      } else if (command.registeredArguments.length === 0 && command.commands.length > 0) return word;
    }
    return undefined;
  }

  const root = join(import.meta.dirname, '../../..');

  it('exist on the page of the connector, also in its tables', async () => {
    const page = await readFile(join(root, 'docs/connector.md'), 'utf8');
    const shown = page.match(/(?<=`|sallyport )(?:connector|client-ca) [a-z][^`#\n]*/g) ?? [];

    expect(shown.length).toBeGreaterThan(30);
    expect(shown.filter((line) => strangeWord(line.split(/\s+/)) !== undefined)).toEqual([]);
  });

  it('exist, with every option they are shown with', async () => {
    const pattern =
      '(sallyport|tedge) (cert|config|device|ca|client-ca|connector|secure|status|doctor|site)( [A-Za-z0-9_/-][A-Za-z0-9_./-]*)+';
    const where = ['apps', 'libs'].map((name) => join(root, name));
    const found = await mustRun('grep', [
      '-rhoE',
      pattern,
      '--include=*.ts',
      '--exclude=*.spec.ts',
      '--exclude-dir=dist',
      '--exclude-dir=node_modules',
      ...where,
    ]);
    const lines = [
      ...new Set(
        found
          .trim()
          .split('\n')
          .map((line) => line.trim()),
      ),
    ];

    const wrong = lines.flatMap((line) => {
      const word = strangeWord(line.replace(/\.$/, '').split(/\s+/).slice(1));
      return word === undefined ? [] : [`${line}: ${word}`];
    });

    expect(lines.length).toBeGreaterThan(20);
    expect(wrong).toEqual([]);
  });
});
