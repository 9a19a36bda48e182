import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories } from './config-directory.fixture.js';
import { ConfigFile } from './config-file.js';
import { loadSettings } from './load-settings.js';

const directoryWith = configDirectories(onTestFinished);

const hostile: [string, string | Uint8Array, RegExp][] = [
  ['broken syntax', 'http.bind.port = \n', /^tedge\.toml is not valid TOML at line 1, column \d+: /],
  ['a syntax error on line 3', '[http]\nbind.port = 1\nbind.port = 2\n', /at line 3, column 1: trying to redefine/],
  ['a table twice', '[http]\n[http]\n', /at line 2/],
  ['500,000 open brackets', `a = ${'['.repeat(500_000)}`, /excessively nested/],
  ['100,000 nested inline tables', `a = ${'{a='.repeat(100_000)}1${'}'.repeat(100_000)}`, /excessively nested/],
  ['a key of 40,000 parts', `a${'.a'.repeat(40_000)} = 1`, /^tedge\.toml nests tables deeper than 32 levels/],
  ['a header of 40,000 parts', `[a${'.a'.repeat(40_000)}]`, /^tedge\.toml nests tables deeper than 32 levels/],
  ['a __proto__ key', '__proto__.polluted = 1', /unsafe/],
  ['a [__proto__] table', '[__proto__]\npolluted = 1', /unsafe/],
  ['a quoted __proto__ key', '"__proto__" = { polluted = 1 }', /unsafe/],
  ['a constructor key', 'constructor.prototype.polluted = 1', /unsafe/],
  ['an inline __proto__', 'http = { __proto__ = { polluted = 1 } }', /unsafe/],
  ['a __proto__ inside a list', 'x = [{ __proto__ = 1 }]', /unsafe/],
  ['a __proto__ profile', '[c8y.profiles.__proto__]\nurl = "x"', /unsafe/],
  ['a NUL in a string', 'http.cert_path = "/a\0b"', /control characters/],
  ['a NUL between lines', '\0', /^tedge\.toml is not valid TOML/],
  ['invalid UTF-8', new Uint8Array([0x61, 0x3d, 0x22, 0xff, 0xfe, 0x22]), /^tedge\.toml is not UTF-8 text/],
  ['UTF-16', new Uint8Array([0xff, 0xfe, 0x61, 0x00, 0x3d, 0x00]), /^tedge\.toml is not UTF-8 text/],
  ['10 MB of comments', `${'#'.repeat(99)}\n`.repeat(100_000), /^tedge\.toml has 10000000 bytes, the limit is 1048576/],
  ['1 MB without an end', `a = """${'x'.repeat(1_000_000)}`, /unfinished string/],
];

describe.each(hostile)('a settings file with %s', (_what, toml, message) => {
  it('is refused by name, whatever reads it', async () => {
    const directory = await directoryWith(toml);
    const file = new ConfigFile({ directory, env: {}, cwd: '/' });
    await expect(loadSettings({ configDir: directory, env: {}, cwd: '/' })).rejects.toMatchObject({
      type: 'config-invalid',
    });
    await expect(file.get({ key: 'http.bind.port' })).rejects.toThrow(message);
    await expect(file.list()).rejects.toThrow(message);
  });

  it('is left as it is by every change', async () => {
    const directory = await directoryWith(toml);
    const file = new ConfigFile({ directory, env: {}, cwd: '/' });
    await expect(file.set({ key: 'http.bind.port' }, '1')).rejects.toThrow(message);
    await expect(file.unset({ key: 'http.bind.port' })).rejects.toThrow(message);
    await expect(file.add({ key: 'pki.hostnames' }, 'x')).rejects.toThrow(message);
    const content = await readFile(join(directory, 'tedge.toml'));
    expect(content.equals(Buffer.from(toml))).toBe(true);
  });

  it('pollutes no prototype', async () => {
    const configDir = await directoryWith(toml);
    await expect(loadSettings({ configDir, env: {}, cwd: '/' })).rejects.toThrow();
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('a settings file that is no file', () => {
  it('is refused when it is a directory', async () => {
    const configDir = await directoryWith();
    await mkdir(join(configDir, 'tedge.toml'));
    await expect(loadSettings({ configDir, env: {}, cwd: '/' })).rejects.toThrow('tedge.toml is not a file');
  });

  it('is refused when it is a named pipe, without waiting for a writer', async () => {
    const configDir = await directoryWith();
    await promisify(execFile)('mkfifo', [join(configDir, 'tedge.toml')]);
    await expect(loadSettings({ configDir, env: {}, cwd: '/' })).rejects.toThrow('tedge.toml is not a file');
  });

  it('is refused when its directory is a file', async () => {
    const directory = await directoryWith('');
    const configDir = join(directory, 'tedge.toml');
    await expect(loadSettings({ configDir, env: {}, cwd: '/' })).rejects.toThrow('tedge.toml cannot be read (ENOTDIR)');
  });
});

describe('odd but valid settings files', () => {
  it.each([
    ['a byte order mark', '\ufeffhttp.client.port = 9\n'],
    ['Windows line ends', '[http]\r\n# c\r\nclient.port = 9\r\n'],
    ['quoted keys', '"http".\'client\'."p\\u006frt" = 9'],
    [
      '20,000 unknown keys',
      `${Array.from({ length: 20_000 }, (_, index) => `k${index} = 1`).join('\n')}\nhttp.client.port = 9\n`,
    ],
  ])('are read: %s', async (_what, toml) => {
    const { settings } = await loadSettings({ configDir: await directoryWith(toml), env: {}, cwd: '/' });
    expect(settings.get('http.client.port')).toBe(9);
  });
});
