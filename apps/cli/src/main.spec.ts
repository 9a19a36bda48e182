import { spawn } from 'node:child_process';
import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { enrolmentSecretLength, formatEnrolmentToken } from '@sallyport/protocol';
import { temporaryDirectory } from '@sallyport/testkit';
import { fakeCloud } from '@sallyport/testkit/fake-cloud';
import { type OutputChunk, rolldown } from 'rolldown';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { EstServer } from './fixtures/est-server.fixture.js';
import { runSallyport } from './fixtures/run-sallyport.fixture.js';
import { Terminal } from './fixtures/terminal.fixture.js';

const secret = 'A'.repeat(enrolmentSecretLength);
let program = '';

beforeAll(async () => {
  const directory = temporaryDirectory('sallyport-program-');
  program = await bundleProgram(directory.path);
  return () => directory.remove();
});

/** Bundles the program as it is now into a folder; returns the file to run. */
async function bundleProgram(folder: string): Promise<string> {
  const bundle = await rolldown({
    input: join(import.meta.dirname, 'main.ts'),
    platform: 'node',
    resolve: { conditionNames: ['@sallyport/source', 'node', 'import', 'default'] },
  });
  const { output } = await bundle.generate({ format: 'esm', codeSplitting: false });
  await bundle.close();
  const file = join(folder, 'sallyport.mjs');
  await writeFile(file, output.find((chunk): chunk is OutputChunk => chunk.type === 'chunk')?.code ?? '');
  return file;
}

/** The program on a pseudo terminal; the shell tells the exit code and the mode of the terminal afterwards. */
async function enrolmentAtTerminal() {
  const directory = temporaryDirectory('sallyport-prompt-');
  const server = await EstServer.start();
  const words = `cert download --prompt --config-dir child --device-id child01 --url ${server.url}`;
  // Ctrl-C reaches the shell too, which is to go on.
  const terminal = new Terminal(
    `trap : INT; sh -c 'echo "process $$"; exec "${process.execPath}" ${program} ${words} --retry-every 600s'; echo "exit code $?"; stty -a`,
    directory.path,
  );
  onTestFinished(async () => {
    await terminal.end();
    await server[Symbol.asyncDispose]();
    await directory.remove();
  });
  await terminal.shows('One-time password: ');
  const token = formatEnrolmentToken({ secret, caFingerprint: server.authority.root.fingerprint });
  return { server, terminal, token };
}

describe('a deleted working folder', () => {
  it.each([
    ['version', 'Error: The working folder has been deleted.\nGo to another one: cd /\n'],
    ['version --json', expect.stringMatching(/^\{"error":\{"what":"The working folder has been deleted\.".*\}\}\n$/)],
  ])('is told of in a few words, by %s', async (words, stderr) => {
    const directory = temporaryDirectory('sallyport-gone-');
    onTestFinished(() => directory.remove());
    const line = `mkdir gone && cd gone && rmdir ../gone && exec "${process.execPath}" ${program} ${words}`;
    const child = spawn('sh', ['-c', line], { cwd: directory.path, stdio: ['ignore', 'ignore', 'pipe'] });
    const [written, code] = await Promise.all([text(child.stderr), new Promise((end) => child.once('exit', end))]);
    expect([written, code]).toEqual([stderr, 1]);
  });
});

describe('advice', () => {
  it.each([
    ['main.js', 'sallyport'],
    ['tedge', 'node ./tedge'],
  ])('names a command that exists when the file of the program is called %s', async (file, name) => {
    const directory = temporaryDirectory('sallyport-installed-');
    onTestFinished(() => directory.remove());
    const installed = join(directory.path, file);
    await copyFile(program, installed);
    const words = ['config', 'get', 'device.id', '--config-dir', directory.path];
    const { stderr } = spawn(process.execPath, [installed, ...words], { cwd: directory.path });

    expect(await text(stderr)).toContain(`Run: ${name} cert create --device-id ID`);
  });
});

// stty(1) writes a minus before what is off.
const cooked = [/\sisig\s/, /\sicanon\s/, /\secho\s/, /\sicrnl\s/];

describe('cert download --prompt', () => {
  it('takes the token at the terminal and never shows it', async () => {
    const { server, terminal, token } = await enrolmentAtTerminal();

    terminal.type(`${token}\n`);
    await terminal.end();

    expect(terminal.screen).toContain('CN=child01');
    expect(terminal.screen).toContain('exit code 0');
    expect(server.passwords).toEqual([`child01:${secret}`]);
    expect(terminal.screen).not.toContain('AAA');
    for (const mode of cooked) expect(terminal.screen).toMatch(mode);
  });

  it('ends at Ctrl-C, and leaves the terminal as it was', async () => {
    const { server, terminal, token } = await enrolmentAtTerminal();

    terminal.type(`${token}\u0003`);
    await terminal.shows('exit code 130');
    await terminal.end();

    expect(terminal.screen).toContain('Error: Interrupted.');
    expect(terminal.screen).not.toContain('AAA');
    expect(server.passwords).toEqual([]);
    for (const mode of cooked) expect(terminal.screen).toMatch(mode);
  });

  it('lets Ctrl-C through again once the token is typed', async () => {
    const { server, terminal, token } = await enrolmentAtTerminal();
    server.refusals.push({ status: 503 });

    terminal.type(`${token}\r`);
    await terminal.shows('Trying again in 600 s.');
    terminal.type('\u0003');
    await terminal.shows('exit code 130');

    expect(terminal.screen).not.toContain('AAA');
  });

  it.each(['SIGTERM', 'SIGHUP'] as const)('ends at %s, without waiting for a line', async (signal) => {
    const { terminal } = await enrolmentAtTerminal();
    const [, pid = ''] = /process (\d+)/.exec(terminal.screen) ?? [];

    process.kill(Number(pid), signal);
    await terminal.shows('exit code 130');
    await terminal.end();

    expect(terminal.screen).toContain('Error: Interrupted.');
    for (const mode of cooked) expect(terminal.screen).toMatch(mode);
  });

  it('understands Backspace, Ctrl-U and arrow keys', async () => {
    const { server, terminal, token } = await enrolmentAtTerminal();

    terminal.type(`wrong\u0015${token}x\u007f\u001b[D\u001bOC\r`);
    await terminal.shows('exit code 0');

    expect(server.passwords).toEqual([`child01:${secret}`]);
  });

  it('says so when nothing was typed', async () => {
    const { terminal } = await enrolmentAtTerminal();

    terminal.type('\n');
    await terminal.shows('exit code 1');

    expect(terminal.screen).toContain('Error: No one-time password was typed.');
  });

  it('needs a terminal', async () => {
    expect(await runSallyport(['cert', 'download', '--prompt', '--device-id', 'child01'], { cwd: '/nowhere' })).toEqual(
      {
        exitCode: 1,
        stdout: '',
        stderr:
          'Error: There is no terminal to type the one-time password at: standard input is none.\n' +
          'Pipe it in (--one-time-password-file -), or name a file (--one-time-password-file FILE).\n',
      },
    );
  });

  it.each([
    ['--one-time-password', ['-p', 'x'], {}],
    ['--one-time-password-file', ['--one-time-password-file', 'x'], {}],
    ['DEVICE_ONE_TIME_PASSWORD', [], { DEVICE_ONE_TIME_PASSWORD: 'x' }],
  ])('is a wrong call together with %s', async (name, words, env) => {
    const called = ['cert', 'download', '--prompt', '--device-id', 'child01', ...words];

    const { exitCode, stdout, stderr } = await runSallyport(called, { cwd: '/nowhere', env });

    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain('ption --prompt cannot be used with');
    expect(stderr).toContain(name);
  });
});

describe('standard output', () => {
  const run = async (command: string) => {
    const shell = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'pipe'], env: {} });
    const [stdout, stderr] = await Promise.all([text(shell.stdout), text(shell.stderr)]);
    return { stdout, stderr };
  };
  const list = () => `"${process.execPath}" ${program} --config-dir /nowhere config list --doc`;

  it('that cannot be written makes the command fail', async () => {
    expect(await run(`${list()} > /dev/full; echo "exit code $?"`)).toEqual({
      stdout: 'exit code 1\n',
      stderr: 'Error: The output could not be written (ENOSPC).\n',
    });
  });

  it('may be left by its reader', async () => {
    expect(await run(`(${list()}; echo "exit code $?" >&2) | head -1`)).toEqual({
      stdout: 'device.id\n',
      stderr: 'exit code 0\n',
    });
  });
});

describe('cert upload c8y', () => {
  it('asks for user name and password at the terminal, and shows only the name', async () => {
    const cloud = await fakeCloud({ devices: ['gateway01'] });
    const directory = temporaryDirectory('sallyport-prompt-');
    const toml = `[c8y]\nurl = "localhost"\nhttp = "localhost:${cloud.api.port}"\nroot_cert_path = "${cloud.caPath}"\n`;
    await writeFile(directory.file('tedge.toml'), toml);
    const run = `"${process.execPath}" ${program} --config-dir .`;
    const terminal = new Terminal(
      `mkdir device-certs; ${run} cert create --device-id gateway01; ${run} cert upload c8y; echo "exit code $?"; stty -a`,
      directory.path,
    );
    onTestFinished(async () => {
      await terminal.end();
      await cloud[Symbol.asyncDispose]();
      await directory.remove();
    });
    await terminal.shows('User name: ');
    terminal.type(`${cloud.user.name}\n`);
    await terminal.shows('Password: ');
    terminal.type(`${cloud.user.password}\n`);
    await terminal.shows('exit code 0');
    await terminal.end();

    expect(terminal.screen).toContain(`User name: ${cloud.user.name}`);
    expect(terminal.screen).toContain('uploaded successfully to tenant t12345');
    expect(terminal.screen).not.toContain(cloud.user.password);
    for (const mode of cooked) expect(terminal.screen).toMatch(mode);
  });
});
