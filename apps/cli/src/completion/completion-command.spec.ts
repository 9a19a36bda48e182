import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { mustRun, temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { fakeSite } from '../fixtures/fake-site.fixture.js';
import { runSallyport } from '../fixtures/run-sallyport.fixture.js';

const script = async () => (await runSallyport(['completion', 'bash'], { cwd: '/' })).stdout;

/** What bash offers for each command line; the last word is the one being typed. */
async function offered(lines: readonly (readonly string[])[], cwd: string): Promise<string[][]> {
  await writeFile(`${cwd}/.sp.bash`, await script());
  const calls = lines.map((words) => {
    const line = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
    const call = words[0] === 'npx' ? '_sallyport_npx npx' : `_sallyport ${words[0]}`;
    return `COMP_WORDS=(${line}); COMP_CWORD=${words.length - 1}; ${call}; printf '%s\\n' "\${COMPREPLY[@]}" ==`;
  });
  const program = ['source ./.sp.bash', ...calls].join('\n');
  const stdout = await mustRun('bash', ['-c', program], { cwd });
  return stdout
    .split('==\n')
    .slice(0, -1)
    .map((part) => part.trim().split('\n'));
}

const table: readonly (readonly [readonly string[], readonly string[]])[] = [
  [['sallyport', 'se'], ['secure']],
  [['tedge', 'cert', 'dow'], ['download']],
  [['sallyport', 'help', 'dev'], ['device']],
  [['sallyport', 'help', 'device', 'rev'], ['revoke']],
  [['sallyport', 'device', 'help', 'rev'], ['revoke']],
  [['sallyport', '--json', 'device', 'rev'], ['revoke']],
  [['sallyport', '--config-dir', 'device', 'cert', 'dow'], ['download']],
  [
    ['sallyport', 'cert', 'download', '--one-time'],
    ['--one-time-password', '--one-time-password-file'],
  ],
  [
    ['sallyport', 'config', 'get', 'http.bind.'],
    ['http.bind.port', 'http.bind.address'],
  ],
  [['sallyport', 'completion', 'z'], ['zsh']],
  [
    ['sallyport', 'cert', 'show', ''],
    ['c8y', 'az', 'aws'],
  ],
  [['sallyport', 'device', 'list', '--state', 'lo'], ['locked']],
  [
    ['sallyport', 'device', 'enroll-token', '--profile', 'device', '--profile', ''],
    ['device', 'service', 'admin'],
  ],
  [['sallyport', 'ca', 'rotate', '--purpose', 'dev'], ['device']],
  [
    ['sallyport', 'config', 'set', 'mqtt.bind.enabled', ''],
    ['true', 'false'],
  ],
  [['sallyport', 'ca', 'import', 'ca.'], ['ca.pem']],
  [['sallyport', 'cert', 'download', '--ca', 'ca.'], ['ca.pem']],
  [['sallyport', 'coap', 'identity', '--out', 'fo'], ['folder']],
  [['npx', 'sallyport', 'device', 'rev'], ['revoke']],
  [['npx', 'sallyport', 'cert', 'download', '--ca', 'ca.'], ['ca.pem']],
  [['npx', 'sal'], ['sallyport']],
];

describe('completion bash', () => {
  it('offers commands, options, settings, their values, choices, files and folders, also after npx', async () => {
    await using directory = temporaryDirectory();
    await writeFile(directory.file('ca.pem'), '');
    await mkdir(directory.file('folder'));
    await writeFile(directory.file('forest'), '');

    const offers = await offered(
      table.map(([words]) => words),
      directory.path,
    );

    expect(table.map(([words], index) => [words, offers[index]])).toEqual(table);
  });

  it('offers the names of devices, of the site that the command line names', async () => {
    await using site = await fakeSite();
    const devices = ['child01', 'child02', 'pump'].map((deviceId) => ({ deviceId, kind: 'device', state: 'active' }));
    const listed = devices.map((device) => ({
      ...device,
      ...{ registeredAt: '2026-01-01T00:00:00.000Z', stateChangedAt: '2026-01-01T00:00:00.000Z', authority: 'site' },
    }));
    site.admin['device-registry'].routes.set('GET /v1/devices', () => ({ devices: listed }));

    const { stdout } = await site.run(['__devices', 'child']);

    expect(stdout).toBe('child01\nchild02\n');
    await using directory = temporaryDirectory();
    const program = directory.file('sallyport');
    await writeFile(program, '#!/bin/sh\necho "$1=$2" "asked-$3-$4"\n');
    await chmod(program, 0o755);
    const [offers] = await offered([[program, '--config-dir', '/here', 'device', 'lock', 'asked']], directory.path);
    expect(offers).toEqual(['asked-__devices-asked']);
  });

  it.each(['my cert.pem', 'a*', '$(touch owned)', "it's"])('offers the file %j whole', async (name) => {
    await using directory = temporaryDirectory();
    await mkdir(directory.file('files'));
    for (const file of [name, 'a1']) await writeFile(directory.file('files', file), '');

    const [offers = []] = await offered([['sallyport', 'ca', 'import', 'files/']], directory.path);

    expect(offers.toSorted()).toEqual([`files/${name}`, 'files/a1'].toSorted());
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
    for (const word of ['enroll-token', 'needs-renewal', 'mutual', 'doctor', '__devices'])
      expect(stdout).toContain(word);
  });

  it('is called wrongly for a shell nobody knows', async () => {
    expect((await runSallyport(['completion', 'tcsh'], { cwd: '/' })).exitCode).toBe(2);
  });
});
