import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories } from './config-directory.fixture.js';
import { ConfigFile } from './config-file.js';
import { loadSettings } from './load-settings.js';
import { moveOwnSettings } from './settings-writer.js';
import { thinEdgeOneToml, thinEdgeTwoToml } from './thin-edge-toml.fixture.js';

const directoryWith = configDirectories(onTestFinished);

async function site(tedge: string, sallyport?: string) {
  const directory = await directoryWith(tedge);
  if (sallyport !== undefined) await writeFile(join(directory, 'sallyport.toml'), sallyport);
  const read = (name: string) => readFile(join(directory, name), 'utf8');
  const load = () => loadSettings({ configDir: directory, env: {}, cwd: '/' });
  return { directory, read, load, file: new ConfigFile({ directory, env: {}, cwd: '/' }) };
}

const certificate = { key: 'mqtt.bind.cert_file' } as const;
const port = { key: 'http.client.port' } as const;

describe('settings in two files', () => {
  it('are read from both', async () => {
    const { load } = await site('http.client.port = 9\n', 'mqtt.bind.cert_file = "/own"\n');
    const { settings, warnings } = await load();
    expect([settings.get('http.client.port'), settings.get('mqtt.bind.cert_file')]).toEqual([9, '/own']);
    expect(settings.source('mqtt.bind.cert_file')).toBe('file');
    expect(warnings).toEqual([]);
  });

  it('are read from tedge.toml alone, as before there were two, without a word', async () => {
    const { load } = await site('mqtt.bind.cert_file = "/c"\nregistry.bind.port = 1\n');
    const { settings, warnings } = await load();
    expect([settings.get('mqtt.bind.cert_file'), settings.get('registry.bind.port')]).toEqual(['/c', 1]);
    expect(warnings).toEqual([]);
  });

  it.each([
    ['mqtt.bind.cert_file = "/old"', 'mqtt.bind.cert_file = "/new"', certificate, '/new', 'sallyport.toml counts'],
    ['mqtt.client.host = "a"', 'mqtt.client.host = "b"', { key: 'mqtt.client.host' }, 'a', 'tedge.toml counts'],
  ] as const)('%s and %s: the file the setting belongs to counts, and that is said', async (...row) => {
    const [tedge, sallyport, reference, value, told] = row;
    const { file } = await site(`${tedge}\n`, `${sallyport}\n`);
    const { value: inForce, warnings } = await file.get(reference);
    expect(inForce).toBe(value);
    expect(warnings).toEqual([expect.stringContaining(told)]);
    await file.set(reference, value);
    expect((await file.get(reference)).warnings).toEqual([]);
  });

  it('are read from the wrong file too, with the command that puts them right', async () => {
    const { file, read } = await site('# mine\n', 'mqtt.client.host = "b"\n');
    const before = await file.get({ key: 'mqtt.client.host' });
    await file.set({ key: 'mqtt.client.host' }, 'b');
    expect(before).toEqual({
      value: 'b',
      warnings: [
        'sallyport.toml: mqtt.client.host belongs into tedge.toml, which thin-edge.io reads too. ' +
          'Run: sallyport config set mqtt.client.host VALUE',
      ],
    });
    expect(await file.get({ key: 'mqtt.client.host' })).toEqual({ value: 'b', warnings: [] });
    expect(await read('tedge.toml')).toContain('host = "b"');
  });

  it.each(['set', 'unset'] as const)('leave no copy in the other file when they are %s', async (verb) => {
    const { file, read } = await site(
      'mqtt.bind.cert_file = "/1"\nhttp.client.port = 1\n',
      'mqtt.bind.cert_file = "/2"\nhttp.client.port = 2\n',
    );
    await (verb === 'set' ? file.set(certificate, '/3') : file.unset(certificate));
    await (verb === 'set' ? file.set(port, '3') : file.unset(port));
    const own = verb === 'set' ? 'mqtt.bind.cert_file = "/3"\n' : '';
    expect([await read('tedge.toml'), await read('sallyport.toml')]).toEqual([
      verb === 'set' ? 'http.client.port = 3\n' : '',
      own,
    ]);
  });

  it('say which file is not valid', async () => {
    const { load } = await site('', 'mqtt.bind.cert_file = \n');
    await expect(load()).rejects.toThrow('sallyport.toml is not valid TOML at line 1');
  });

  it('say which file holds a value that breaks its rule, and which a name nobody knows', async () => {
    const { load, directory } = await site('', 'registry.bind.port = "x"\n');
    await expect(load()).rejects.toThrow('registry.bind.port (sallyport.toml) is "x"');
    await writeFile(join(directory, 'sallyport.toml'), 'nonsense = 1\n');
    expect((await load()).warnings).toEqual(['sallyport.toml: nonsense is no setting and is ignored.']);
  });
});

const before = `# The gateway in hall 7
[mqtt.bind]
port = 1883
# The broker's own certificate,
# made by hand.
cert_file = '/certs/broker.crt' # till May
key_file = "/certs/broker.key"

[registry.bind]
port = 9002 # behind the firewall

[pki]
hostnames = [
  "gateway.local", # the old name
  "gw7.local",
]

[software.plugin]
default = "apt" # thin-edge.io's
`;

describe('a file from before', () => {
  it('is split by the first change: what thin-edge.io does not know moves, with its comments', async () => {
    const { file, read } = await site(before);
    await file.set({ key: 'http.bind.port' }, '8001');
    expect(await read('tedge.toml')).toBe(
      '# The gateway in hall 7\n[mqtt.bind]\nport = 1883\n\n' +
        '[software.plugin]\ndefault = "apt" # thin-edge.io\'s\n\n[http.bind]\nport = 8001\n',
    );
    expect(await read('sallyport.toml')).toBe(
      "[mqtt.bind]\n# The broker's own certificate,\n# made by hand.\ncert_file = '/certs/broker.crt' # till May\n" +
        'key_file = "/certs/broker.key"\n\n[registry.bind]\nport = 9002 # behind the firewall\n\n' +
        '[pki]\nhostnames = [\n  "gateway.local", # the old name\n  "gw7.local",\n]\n',
    );
  });

  it('is kept as it was', async () => {
    const { directory, read } = await site(before);
    expect(await moveOwnSettings(directory)).toBe(true);
    expect(await read('tedge.toml.before-sallyport')).toBe(before);
    expect((await readdir(directory)).toSorted()).toEqual([
      'sallyport.toml',
      'tedge.toml',
      'tedge.toml.before-sallyport',
    ]);
  });

  it('is split once: after that nothing is written', async () => {
    const { directory, read } = await site(before);
    await moveOwnSettings(directory);
    await writeFile(join(directory, 'tedge.toml'), `${await read('tedge.toml')}[registry]\ncert_path = "/later"\n`);
    expect(await moveOwnSettings(directory)).toBe(true);
    expect(await read('tedge.toml.before-sallyport')).toBe(before);
    expect(await moveOwnSettings(directory)).toBe(false);
  });

  it('means the same afterwards', async () => {
    const { directory, load } = await site(before);
    const keys = ['mqtt.bind.cert_file', 'mqtt.bind.key_file', 'registry.bind.port', 'pki.hostnames'] as const;
    const values = async () => {
      const { settings } = await load();
      return keys.map((key) => settings.get(key));
    };
    const wanted = await values();
    await moveOwnSettings(directory);
    expect(await values()).toEqual(wanted);
  });

  it('gives the new file its own mode', async () => {
    const { directory } = await site(before);
    await chmod(join(directory, 'tedge.toml'), 0o640);
    await moveOwnSettings(directory);
    const modes = ['tedge.toml', 'sallyport.toml', 'tedge.toml.before-sallyport'].map(async (name) => {
      return (await stat(join(directory, name))).mode & 0o777;
    });
    expect(await Promise.all(modes)).toEqual([0o640, 0o640, 0o640]);
  });

  it('is not touched by commands that only read', async () => {
    const { file, read, directory } = await site(before);
    await file.list();
    await file.get(certificate);
    expect(await read('tedge.toml')).toBe(before);
    expect(await readdir(directory)).toEqual(['tedge.toml']);
  });

  it('keeps a value that sallyport.toml has otherwise: only a person knows which one is meant', async () => {
    const { directory, read } = await site('registry.bind.port = 1\npki.bind.port = 3\n', 'registry.bind.port = 2\n');
    await moveOwnSettings(directory);
    expect(await read('tedge.toml')).toBe('registry.bind.port = 1\n');
    expect(await read('sallyport.toml')).toBe('registry.bind.port = 2\n\n[pki.bind]\nport = 3\n');
  });

  it('is finished when a crash came between the two files', async () => {
    const { directory, read, load } = await site(
      'mqtt.bind.cert_file = "/c"\nmqtt.bind.key_file = "/k"\n',
      '[mqtt.bind]\ncert_file = "/c"\nkey_file = "/k"\n',
    );
    expect((await load()).warnings).toEqual([]);
    await moveOwnSettings(directory);
    expect(await read('tedge.toml')).toBe('');
    expect(await read('sallyport.toml')).toBe('[mqtt.bind]\ncert_file = "/c"\nkey_file = "/k"\n');
  });

  it.each([
    ['inline tables', 'mqtt = { bind = { port = 1, cert_file = "/c" } }\n', 'mqtt = { bind = { port = 1 } }\n'],
    ['Windows line ends', '[mqtt.bind]\r\nport = 1\r\ncert_file = "/c"\r\n', '[mqtt.bind]\r\nport = 1\r\n'],
    ['quoted keys', '["mqtt"."bind"]\nport = 1\n"cert_file" = "/c"\n', '["mqtt"."bind"]\nport = 1\n'],
    ['a comment as first line', '# a\nmqtt.bind.cert_file = "/c"\nmqtt.bind.port = 1\n', 'mqtt.bind.port = 1\n'],
  ])('is split when it has %s', async (_, text, rest) => {
    const { directory, read, file } = await site(text);
    await moveOwnSettings(directory);
    expect(await read('tedge.toml')).toBe(rest);
    expect((await file.get(certificate)).value).toBe('/c');
  });

  it('is left alone when one of the files is not valid', async () => {
    const { directory, read } = await site(before, 'broken');
    await expect(moveOwnSettings(directory)).rejects.toThrow('sallyport.toml is not valid TOML');
    expect(await read('tedge.toml')).toBe(before);
  });
});

describe('a file of thin-edge.io', () => {
  it.each([
    ['1.x, with profiles of three clouds', thinEdgeOneToml],
    ['2.x', thinEdgeTwoToml],
  ])('%s is read without a warning, and a change keeps all of it', async (_, toml) => {
    const { file, load, read, directory } = await site(toml);
    expect((await load()).warnings).toEqual([]);
    await file.set({ key: 'pki.hostnames' }, 'gateway.local');
    expect(await read('tedge.toml')).toBe(toml);
    expect((await readdir(directory)).toSorted()).toEqual(['sallyport.toml', 'tedge.toml']);
  });

  it.each([
    ['c8y.http', undefined, 'http.main.example.com:443'],
    ['c8y.topics', undefined, '["te/+/+/+/+/m/+", "te/+/+/+/+/e/+"]'],
    ['c8y.root_cert_path', 'plant2', '/etc/tedge/plant2.pem'],
    ['c8y.bridge.topic_prefix', 'plant2', 'c8y-plant2'],
    ['az.url', 'lab', 'lab.azure-devices.net'],
    ['aws.url', undefined, 'endpoint.amazonaws.com'],
    ['software.plugin.max_packages', undefined, '1000'],
    ['sudo.enable', undefined, 'false'],
  ] as const)('has its %s shown (profile %s)', async (key, profile, value) => {
    const { file } = await site(thinEdgeOneToml);
    expect((await file.get(profile === undefined ? { key } : { key, profile })).value).toBe(value);
  });

  it('gives c8y.http and c8y.mqtt the value of c8y.url', async () => {
    const { file } = await site('[c8y]\nurl = "main.example.com"\n');
    expect((await file.get({ key: 'c8y.http' })).value).toBe('main.example.com');
  });

  it('stops no service with a value only thin-edge.io could judge', async () => {
    const { load, file } = await site('[c8y.operations]\nauto_log_upload = "new-in-3.0"\n[az.mapper]\ntimestamp = 5\n');
    expect((await load()).warnings).toEqual([]);
    await expect(file.set({ key: 'c8y.operations.auto_log_upload' }, 'nonsense')).rejects.toThrow(
      'must be one of always, never, on-failure',
    );
  });

  it('stops no service by a shape only thin-edge.io could judge', async () => {
    const { load } = await site('sudo = 5\n[c8y.enable]\nlog_upload = true\nlog_management = true\n');
    const { warnings } = await load();
    expect(warnings).toEqual([
      'tedge.toml: c8y.enable.log_management is deprecated, use c8y.enable.log_upload.',
      'tedge.toml: sudo is no setting and is ignored.',
    ]);
  });

  it('still gets one warning for each name that neither product knows', async () => {
    const { load } = await site(`${thinEdgeTwoToml}\n[c8y.nonsense]\nx = 1\n`);
    expect((await load()).warnings).toEqual(['tedge.toml: c8y.nonsense.x is no setting and is ignored.']);
  });

  it('may be written anew by thin-edge.io, which drops what it does not know: nothing of ours is lost', async () => {
    const { file, directory, load } = await site(
      `${thinEdgeTwoToml}\n[mqtt.bind]\ncert_file = "/c"\nkey_file = "/k"\n`,
    );
    await file.set({ key: 'pki.hostnames' }, 'gateway.local');
    // As "tedge config set" leaves it: known keys only.
    await writeFile(join(directory, 'tedge.toml'), thinEdgeTwoToml.replace('rpi4-dca632efb150', 'rpi4'));
    const { settings } = await load();
    expect([settings.get('device.id'), settings.get('mqtt.bind.cert_file'), settings.get('pki.hostnames')]).toEqual([
      'rpi4',
      '/c',
      ['gateway.local'],
    ]);
  });
});
