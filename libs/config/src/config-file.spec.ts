import { chmod, readdir, readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories, configFileOpener } from './config-directory.fixture.js';
import { ConfigFile } from './config-file.js';

const directoryWith = configDirectories(onTestFinished);
const openFile = configFileOpener(directoryWith);

const port = { key: 'http.bind.port' } as const;

const hosts = { key: 'pki.hostnames' } as const;

describe('get', () => {
  it.each([
    ['http.bind.port', '8000'],
    ['http.bind.address', '127.0.0.1'],
    ['certificate.validity.requested_duration', '365d'],
    ['mqtt.bind.enabled', 'true'],
    ['pki.hostnames', '[]'],
    ['mqtt.client.port', '1883'],
    ['http.cert_path', undefined],
  ] as const)('prints the default of %s', async (key, value) => {
    const { file } = await openFile();
    expect(await file.get({ key })).toEqual({ value, warnings: [] });
  });

  it('prints a value as it was written', async () => {
    const { file } = await openFile(
      'pki.token.validity = "1h 30m"\npki.hostnames = ["b", "a"]\npki.crl.validity = 3600',
    );
    expect((await file.get({ key: 'pki.token.validity' })).value).toBe('1h 30m');
    expect((await file.get(hosts)).value).toBe('["b", "a"]');
    expect((await file.get({ key: 'pki.crl.validity' })).value).toBe('3600');
  });

  it('prints what the environment says before what the file says', async () => {
    const { file } = await openFile('http.bind.port = 1', { env: { TEDGE_HTTP_BIND_PORT: '2' } });
    expect((await file.get(port)).value).toBe('2');
  });

  it('prints an empty variable as unset, whatever the file says', async () => {
    const { file } = await openFile('http.ca_path = "/x"', { env: { TEDGE_HTTP_CA_PATH: '' } });
    expect((await file.get({ key: 'http.ca_path' })).value).toBeUndefined();
  });

  it('refuses a value that is not valid', async () => {
    const { file } = await openFile('http.bind.port = "x"');
    await expect(file.get(port)).rejects.toThrow(
      'http.bind.port (tedge.toml) is "x": must be a port number from 0 to 65535.',
    );
  });

  it('prints a valid value of a file that has others that are not', async () => {
    const { file } = await openFile('http.bind.port = "x"\nhttp.client.port = 9');
    expect((await file.get({ key: 'http.client.port' })).value).toBe('9');
  });

  it('passes on what is odd about the configuration', async () => {
    const { file } = await openFile('nonsense = 1', { env: { TEDGE_NONSENSE: '1' } });
    expect((await file.get(port)).warnings).toEqual([
      'TEDGE_NONSENSE is not a setting and is ignored.',
      'tedge.toml: nonsense is no setting and is ignored.',
    ]);
  });

  it('finds the device id in the device certificate when nobody set it', async () => {
    const readDeviceId = async (path: string) => (path === '/c.pem' ? 'child01' : undefined);
    const { file } = await openFile('device.cert_path = "/c.pem"', { readDeviceId });
    expect((await file.get({ key: 'device.id' })).value).toBe('child01');
    await file.set({ key: 'device.id' }, 'gateway');
    expect((await file.get({ key: 'device.id' })).value).toBe('gateway');
  });
});

describe('set', () => {
  it('makes the directory and the file when they are missing', async () => {
    const directory = join(await directoryWith(), 'new/tedge');
    await new ConfigFile({ directory, env: {}, cwd: '/' }).set(port, '8001');
    expect(await readFile(join(directory, 'tedge.toml'), 'utf8')).toBe('[http.bind]\nport = 8001\n');
  });

  it.each([
    ['http.bind.port', '0', '[http.bind]\nport = 0\n'],
    ['mqtt.bind.enabled', 'false', '[mqtt.bind]\nenabled = false\n'],
    ['http.ca_path', 'certs/../ca', '[http]\nca_path = "/home/me/ca"\n'],
  ] as const)('stores %s %s in its own type', async (key, text, toml) => {
    const opened = await openFile();
    await opened.file.set({ key }, text);
    expect(await opened.text()).toBe(toml);
  });

  it.each([
    ['http.max_upload_size', '100MiB', '[http]\nmax_upload_size = "100MiB"\n'],
    ['pki.crl.validity', '3600', '[pki.crl]\nvalidity = 3600\n'],
    ['pki.hostnames', 'b,a', '[pki]\nhostnames = [ "b", "a" ]\n'],
  ] as const)('stores %s %s, which thin-edge.io would drop, in sallyport.toml', async (key, text, toml) => {
    const { file, directory, ownText } = await openFile();
    await file.set({ key }, text);
    expect(await ownText()).toBe(toml);
    expect(await readdir(directory)).toEqual(['sallyport.toml']);
  });

  it('keeps comments, order, unknown keys and faults elsewhere', async () => {
    const before = '# mine\n[agent] # thin-edge.io\nstate.path = "/x"\n\n[http]\nbind.port = "wrong" # why\n\n# end\n';
    const { file, text } = await openFile(before);
    await file.set(port, '8001');
    expect(await text()).toBe(before.replace('"wrong"', '8001'));
  });

  it('moves a value from its old name to its present one', async () => {
    const { file, text } = await openFile('[http]\nport = 1\ncert_path = "/x"\n');
    await file.set(port, '2');
    expect(await text()).toBe('[http]\ncert_path = "/x"\n\n[http.bind]\nport = 2\n');
  });

  it.each([
    [port, '65536', 'http.bind.port is 65536: must be a port number from 0 to 65535.'],
    [port, 'x', 'http.bind.port is "x": must be a port number from 0 to 65535.'],
    [
      { key: 'c8y.url' },
      'https://x',
      'c8y.url is "https://x": must be a bare host name, without scheme, port or path.',
    ],
    [{ key: 'http.cert_path' }, '', 'http.cert_path is "": must be an absolute path.'],
  ] as const)('refuses %j %s and changes nothing', async (reference, value, message) => {
    const { file, text } = await openFile('# mine\n');
    await expect(file.set(reference, value)).rejects.toThrow(message);
    expect(await text()).toBe('# mine\n');
  });

  it('ignores the environment', async () => {
    const { file, text } = await openFile('', { env: { TEDGE_HTTP_BIND_PORT: 'nonsense' } });
    await file.set(port, '3');
    expect(await text()).toBe('[http.bind]\nport = 3\n');
  });

  it('leaves nothing but the settings behind', async () => {
    const { file, directory } = await openFile();
    await file.set(port, '3');
    expect(await readdir(directory)).toEqual(['tedge.toml']);
  });

  it('makes the file readable for every service and keeps a stricter mode', async () => {
    const { file, directory } = await openFile();
    await file.set(port, '3');
    const path = join(directory, 'tedge.toml');
    expect((await stat(path)).mode & 0o777).toBe(0o644);
    await chmod(path, 0o600);
    await file.set(port, '4');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('writes through a symbolic link', async () => {
    const elsewhere = await directoryWith('# real\n');
    const { file, directory } = await openFile();
    await symlink(join(elsewhere, 'tedge.toml'), join(directory, 'tedge.toml'));
    await file.set(port, '3');
    expect(await readFile(join(elsewhere, 'tedge.toml'), 'utf8')).toBe('# real\n\n[http.bind]\nport = 3\n');
  });

  it('says why it cannot write', async () => {
    const directory = await directoryWith('');
    const file = new ConfigFile({ directory: join(directory, 'tedge.toml/x'), env: {}, cwd: '/' });
    await expect(file.set(port, '1')).rejects.toMatchObject({
      type: 'forbidden',
      message: expect.stringMatching(/^tedge\.toml was not changed \(ENOTDIR\)\. Check the permissions/),
    });
  });
});

describe('exchange', () => {
  it('changes several keys and tells what they were, so that they can be put back', async () => {
    const before = '[http]\nport = 7 # old name\ncert_path = "/c"\n';
    const { file, text } = await openFile(before);
    const former = await file.exchange([
      { reference: port, text: '8' },
      { reference: { key: 'http.cert_path' }, text: '/c' },
      { reference: { key: 'http.key_path' }, text: '/k' },
    ]);
    expect(former).toEqual([
      { reference: port, text: '7' },
      { reference: { key: 'http.key_path' }, text: undefined },
    ]);
    await file.exchange(former);
    expect((await file.get(port)).value).toBe('7');
    expect(await text()).toBe('[http]\ncert_path = "/c"\n\n[http.bind]\nport = 7\n');
  });

  it('leaves a default to be one', async () => {
    const { file, text } = await openFile('# mine\n');
    const former = await file.exchange([{ reference: port, text: '8' }]);
    await file.exchange(former);
    expect(former).toEqual([{ reference: port, text: undefined }]);
    expect(await text()).toContain('# mine\n');
    expect(await text()).not.toContain('port');
  });

  it('changes nothing when one of the values breaks its rule', async () => {
    const { file, text } = await openFile('# mine\n');
    const wanted = [
      { reference: port, text: '8' },
      { reference: { key: 'http.client.port' } as const, text: 'x' },
    ];
    await expect(file.exchange(wanted)).rejects.toMatchObject({ type: 'config-invalid' });
    expect(await text()).toBe('# mine\n');
  });
});

describe('unset', () => {
  it('takes the key out under its present and its old names', async () => {
    const { file, text } = await openFile('[mqtt]\nport = 1\n[mqtt.bind]\naddress = "::1"\n');
    await file.unset({ key: 'mqtt.bind.port' });
    expect(await text()).toBe('[mqtt]\n[mqtt.bind]\naddress = "::1"\n');
  });

  it('does nothing for a key that is not set', async () => {
    const { file, text } = await openFile('# mine\n');
    await file.unset(port);
    expect(await text()).toBe('# mine\n');
  });

  it('makes no file', async () => {
    const { file, directory } = await openFile();
    await file.unset(port);
    expect(await readdir(directory)).toEqual([]);
  });
});

describe('add', () => {
  it('keeps a list sorted and free of repetitions', async () => {
    const { file, ownText } = await openFile('pki.hostnames = ["d", "b"]\n');
    await file.add(hosts, 'c,b,a');
    expect(await ownText()).toBe('[pki]\nhostnames = [ "a", "b", "c", "d" ]\n');
  });

  it('starts from the default', async () => {
    const { file, ownText } = await openFile();
    await file.add(hosts, 'a');
    expect(await ownText()).toBe('[pki]\nhostnames = [ "a" ]\n');
  });

  it('starts from the file and not from the environment', async () => {
    const { file, ownText } = await openFile('pki.hostnames = ["b"]\n', { env: { TEDGE_PKI_HOSTNAMES: 'x' } });
    await file.add(hosts, 'a');
    expect(await ownText()).toBe('[pki]\nhostnames = [ "a", "b" ]\n');
  });

  it('sets a key that is no list', async () => {
    const { file, text } = await openFile();
    await file.add(port, '1');
    expect(await text()).toBe('[http.bind]\nport = 1\n');
  });

  it('refuses a bad item, and a list that is none', async () => {
    const { file } = await openFile('pki.hostnames = "a"\n');
    await expect(file.add(hosts, 'http://x')).rejects.toThrow('has a scheme or a path');
    await expect(file.add(hosts, 'b')).rejects.toThrow('pki.hostnames (tedge.toml) is "a": must be host names');
  });
});

describe('remove', () => {
  it('takes items out of a list', async () => {
    const { file, ownText } = await openFile('pki.hostnames = ["a", "b", "c"] # mine\n');
    await file.remove(hosts, 'b,x');
    expect(await ownText()).toBe('[pki]\nhostnames = [ "a", "c" ] # mine\n');
  });

  it('does nothing when the item is not there', async () => {
    const { file, ownText } = await openFile('pki.hostnames = ["a",   "c"]\n');
    await file.remove(hosts, 'b');
    expect(await ownText()).toBe('[pki]\nhostnames = ["a",   "c"]\n');
  });

  it('unsets a key that is no list when the value is the same, however it is written', async () => {
    const { file, text } = await openFile('pki.token.validity = "60s"\nhttp.bind.port = 1\n');
    await file.remove({ key: 'pki.token.validity' }, '1m');
    await file.remove(port, '2');
    expect(await text()).toBe('http.bind.port = 1\n');
  });
});

describe('list', () => {
  it('has every key in force, unset ones without a value', async () => {
    const { file } = await openFile('http.cert_path = "/x"\nhttp.client.port = 9\n');
    const { readings } = await file.list();
    const http = readings
      .filter(({ name }) => name.startsWith('http.'))
      .map(({ name, value }) => `${name}=${value ?? ''}`);
    expect(http).toEqual([
      'http.bind.port=8000',
      'http.bind.address=127.0.0.1',
      'http.cert_path=/x',
      'http.key_path=',
      'http.ca_path=',
      'http.client.host=127.0.0.1',
      'http.client.port=9',
      'http.client.auth.cert_file=',
      'http.client.auth.key_file=',
      'http.authorization=any',
      'http.max_upload_size=',
      'http.storage_quota=',
      'http.storage_entries=100000',
      'http.storage_share=50',
      'http.storage_umask=',
    ]);
  });

  it('reports every fault at once', async () => {
    const { file } = await openFile('http.bind.port = "x"\nmqtt.bind.port = 0\n');
    await expect(file.list()).rejects.toThrow('2 settings are not valid:');
  });
});
