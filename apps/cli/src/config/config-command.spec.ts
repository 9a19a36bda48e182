import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CliContext } from '../cli-context.js';
import { runSallyport } from '../fixtures/run-sallyport.fixture.js';

async function deviceWith(toml: string, env: CliContext['env'] = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-cli-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, 'tedge.toml');
  await writeFile(file, toml);
  const run = (...words: string[]) => runConfig([...words, '--config-dir', directory], env);
  const ownText = () => readFile(join(directory, 'sallyport.toml'), 'utf8');
  const cloudText = (folder: string) => readFile(join(directory, 'mappers', folder, 'mapper.toml'), 'utf8');
  return { run, text: () => readFile(file, 'utf8'), ownText, cloudText };
}

/** Runs `config WORDS`. */
async function runConfig(words: readonly string[], env: CliContext['env']) {
  const ran = await runSallyport(['config', ...words], { cwd: '/home/me', env, programName: 'tedge' });
  return { ...ran, stderr: ran.stderr.replace(/^Error: /, '') };
}

const done = { exitCode: 0, stdout: '', stderr: '' };

describe('config get', () => {
  it('prints the value and a line end', async () => {
    const { run } = await deviceWith('[http.bind]\nport = 8001\n');
    expect(await run('get', 'http.bind.port')).toEqual({ exitCode: 0, stdout: '8001\n', stderr: '' });
    expect(await run('get', 'http_bind_port')).toEqual({ exitCode: 0, stdout: '8001\n', stderr: '' });
  });

  it('ends with 1 and prints nothing but one line on stderr for a setting that is not set', async () => {
    const { run } = await deviceWith('');
    expect(await run('get', 'http.ca_path')).toEqual({ exitCode: 1, stdout: '', stderr: 'http.ca_path is not set\n' });
  });

  it('says how to get a device id when there is neither a setting nor a certificate', async () => {
    const { run } = await deviceWith('');
    expect(await run('get', 'device.id')).toEqual({
      exitCode: 1,
      stdout: '',
      stderr: 'device.id is not set, and there is no device certificate. Run: tedge cert create --device-id ID\n',
    });
  });

  it('warns once about an old name', async () => {
    const { run } = await deviceWith('[http.bind]\nport = 8001\n');
    expect(await run('get', 'http.port')).toEqual({
      exitCode: 0,
      stdout: '8001\n',
      stderr: expect.stringMatching(/^Warning: http\.port is deprecated, use http\.bind\.port\n/),
    });
  });

  it('prints what the environment says', async () => {
    const { run } = await deviceWith('[http.bind]\nport = 8001\n', { TEDGE_HTTP_BIND_PORT: '8002' });
    expect(await run('get', 'http.bind.port')).toEqual({ exitCode: 0, stdout: '8002\n', stderr: '' });
  });

  it('warns about unknown variables', async () => {
    const { run } = await deviceWith('', { TEDGE_NONSENSE: '1' });
    const { stderr } = await run('get', 'http.bind.port');
    expect(stderr).toBe('Warning: TEDGE_NONSENSE is not a setting and is ignored.\n');
  });

  it('prints JSON on demand', async () => {
    const { run } = await deviceWith('');
    const { stdout } = await run('get', 'http.bind.port', '--json');
    expect(JSON.parse(stdout)).toEqual({ key: 'http.bind.port', value: 8000 });
  });
});

describe('config set, unset, add and remove', () => {
  it.each([
    ['http.bind.port', '', 'http.client.port stays 8000'],
    ['mqtt.bind.port', '[mqtt.client]\nport = 1883\n', 'mqtt.client.port stays 1883'],
  ])('say that clients do not follow %s', async (key, toml, what) => {
    const { run } = await deviceWith(toml);
    const { exitCode, stderr } = await run('set', key, '9100');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: expect.stringContaining(what) });
    expect(stderr).toContain(`Run: tedge config set ${key.replace('bind', 'client')} 9100`);
  });

  it('are silent where clients follow the port of the broker', async () => {
    const { run } = await deviceWith('');
    expect(await run('set', 'mqtt.bind.port', '1884')).toEqual(done);
  });

  it('are silent when they work', async () => {
    const { run, text, ownText } = await deviceWith('# mine\n');
    expect(await run('set', 'http.ca_path', 'ca')).toEqual(done);
    expect(await run('add', 'pki.hostnames', 'b,a')).toEqual(done);
    expect(await run('remove', 'pki.hostnames', 'b')).toEqual(done);
    expect(await text()).toBe('# mine\n\n[http]\nca_path = "/home/me/ca"\n');
    expect(await ownText()).toBe('[pki]\nhostnames = [ "a" ]\n');
    expect(await run('unset', 'http.ca_path')).toEqual(done);
    expect(await run('unset', 'http.ca_path')).toEqual(done);
  });

  it('end with 1 for a value of the wrong type, naming key and type', async () => {
    const { run, text } = await deviceWith('# mine\n');
    const { exitCode, stderr } = await run('set', 'http.bind.port', '80800');
    expect(exitCode).toBe(1);
    expect(stderr).toBe('http.bind.port is 80800: must be a port number from 0 to 65535.\n');
    expect(await text()).toBe('# mine\n');
  });

  it('end with 1 for a file that is not valid TOML', async () => {
    const { run } = await deviceWith('x = \n');
    const { exitCode, stderr } = await run('set', 'http.bind.port', '1');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('tedge.toml is not valid TOML at line 1');
  });

  it('warn about an old name and write the present one', async () => {
    const { run, text } = await deviceWith('http.port = 1\n');
    const { exitCode, stderr } = await run('set', 'http.port', '2');
    expect({ exitCode, stderr }).toEqual({
      exitCode: 0,
      stderr: expect.stringMatching(/^Warning: http\.port is deprecated, use http\.bind\.port\n/),
    });
    expect(await text()).toBe('[http.bind]\nport = 2\n');
  });
});

describe('a key that does not exist', () => {
  it.each([
    ['get', 'http.bind.prt'],
    ['set', 'http.bind.prt', '1'],
    ['unset', 'http.bind.prt'],
    ['add', 'http.bind.prt', '1'],
    ['remove', 'http.bind.prt', '1'],
  ])('ends config %s with 2 and offers a similar one', async (...words) => {
    const { run } = await deviceWith('');
    const { exitCode, stdout, stderr } = await run(...words);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain('There is no such setting. Did you mean http.bind.port?');
  });
});

describe('config list', () => {
  it('prints key=value for what has a value', async () => {
    const { run } = await deviceWith('[http]\ncert_path = "/x"\n');
    expect(await run('list', 'http.c')).toEqual({
      exitCode: 0,
      stdout: 'http.cert_path=/x\nhttp.client.host=127.0.0.1\nhttp.client.port=8000\n',
      stderr: '',
    });
  });

  it('prints key= for what has none after an empty line with --all', async () => {
    const { run } = await deviceWith('');
    const { stdout } = await run('list', '--all', 'c8y.proxy.c');
    expect(stdout).toBe(
      'c8y.proxy.client.host=127.0.0.1\nc8y.proxy.client.port=8001\n\nc8y.proxy.cert_path=\nc8y.proxy.ca_path=\n',
    );
  });

  it('prints documentation with --doc', async () => {
    const { run } = await deviceWith('');
    const { stdout } = await run('list', '--doc', 'http.bind');
    expect(stdout).toMatch(
      /^http\.bind\.port\n {2}Port the file transfer .*\n {2}Type: .*TEDGE_HTTP_BIND_PORT.*\n\nhttp\.bind\.address\n/s,
    );
  });

  it('prints documentation as JSON on demand', async () => {
    const { run } = await deviceWith('');
    const { stdout } = await run('list', '--doc', '--json', 'http.bind.port');
    expect(JSON.parse(stdout)).toEqual({
      'http.bind.port': {
        doc: 'Port the file transfer service listens on; 0 takes any free port.',
        type: 'u16',
        rule: 'a port number from 0 to 65535',
        examples: ['8000'],
        deprecatedNames: ['http.port'],
        file: 'tedge.toml',
        isRead: true,
      },
    });
  });

  it('prints JSON on demand', async () => {
    const { run } = await deviceWith('');
    const { stdout } = await run('list', '--all', '--json', 'http.c');
    expect(JSON.parse(stdout)).toMatchObject({ 'http.cert_path': null, 'http.client.port': 8000 });
  });

  it('ends with 1 and reports every fault of the file', async () => {
    const { run } = await deviceWith('http.bind.port = "x"\nmqtt.bind.port = 0\n');
    const { exitCode, stdout, stderr } = await run('list');
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/http\.bind\.port \(tedge\.toml\) is "x".*mqtt\.bind\.port \(tedge\.toml\) is 0/s);
  });
});

describe('settings of thin-edge.io that nothing here reads', () => {
  it('are set and shown, and said to be kept for it', async () => {
    const { run, cloudText } = await deviceWith('');
    const set = await run('set', 'c8y.availability.interval', '30m', '--profile', 'plant2');
    expect(set).toEqual({
      ...done,
      stderr:
        'Warning: c8y.profiles.plant2.availability.interval is kept for thin-edge.io. Nothing of Sallyport reads it.\n',
    });
    expect(await cloudText('c8y.plant2')).toBe('cloud_type = "c8y"\n\n[availability]\ninterval = "30m"\n');
    expect((await run('get', 'c8y.availability.interval', '--profile', 'plant2')).stdout).toBe('30m\n');
    expect((await run('list', '--doc', 'c8y.availability.interval')).stdout).toContain('kept for thin-edge.io');
  });

  it.each([
    ['c8y.http', 'host.example:70000'],
    ['software.plugin.max_packages', 'many'],
    ['c8y.auth_method', 'magic'],
    ['proxy.address', 'http://user:secret@proxy.example'],
  ])('are held to their type: %s is never %s', async (key, value) => {
    const { run, text } = await deviceWith('');
    const { exitCode, stderr } = await run('set', key, value);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`${key} is `);
    expect(stderr).not.toContain('secret');
    expect(await text()).toBe('');
  });
});

describe('what no service would start with', () => {
  it.each([
    [{ TEDGE_HTTP_BIND_ADDRESS: '[::1]' }, /TEDGE_HTTP_BIND_ADDRESS.*starts with " or \[ and is not valid TOML/],
    [{ TEDGE_HTTP_BIND_ADDRESS: '127.0.0.5', TEDGE_HTTP_ADDRESS: '127.0.0.6' }, /is set by TEDGE_HTTP_\w+ too/],
  ])('is told by config get too, and no value is printed: %j', async (env, message) => {
    const { run } = await deviceWith('', env);
    const { exitCode, stdout, stderr } = await run('get', 'http.bind.address');
    expect([exitCode, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
  });

  it('is no concern of another setting', async () => {
    const { run } = await deviceWith('', { TEDGE_HTTP_BIND_ADDRESS: '[::1]' });
    expect((await run('get', 'http.bind.port')).stdout).toBe('8000\n');
  });
});

describe('profiles', () => {
  it('are chosen by --profile, in any case of letters', async () => {
    const { run, cloudText } = await deviceWith('');
    expect(await run('set', 'c8y.url', 'a.example', '--profile', 'Plant2')).toEqual(done);
    expect(await cloudText('c8y.plant2')).toBe('cloud_type = "c8y"\nurl = "a.example"\n');
    expect(await run('get', 'c8y.url', '--profile', 'plant2')).toEqual({
      exitCode: 0,
      stdout: 'a.example\n',
      stderr: '',
    });
    expect((await run('get', 'c8y.url')).exitCode).toBe(1);
  });

  it('are chosen by TEDGE_CLOUD_PROFILE for keys that have profiles, and for no other', async () => {
    const { run, text, cloudText } = await deviceWith('', { TEDGE_CLOUD_PROFILE: 'plant2' });
    await run('set', 'c8y.url', 'a.example');
    await run('set', 'http.bind.port', '1');
    expect(await cloudText('c8y.plant2')).toBe('cloud_type = "c8y"\nurl = "a.example"\n');
    expect(await text()).toBe('[http.bind]\nport = 1\n');
  });

  it('cannot be chosen for a key that has none', async () => {
    const { run } = await deviceWith('');
    const { exitCode, stderr } = await run('set', 'http.bind.port', '1', '--profile', 'plant2');
    expect({ exitCode, stderr }).toEqual({
      exitCode: 1,
      stderr: 'http.bind.port is the same in every profile.\nLeave --profile out.\n',
    });
  });

  it('cannot be read before something is set for them', async () => {
    const { run } = await deviceWith('');
    const { exitCode, stderr } = await run('get', 'c8y.url', '--profile', 'plant2');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^There is no profile "plant2"\.\n/);
  });

  it('are listed with what is set for them', async () => {
    const { run } = await deviceWith('[c8y.profiles.plant2.device]\nid = "a"\ncert_path = "/c"\n');
    const { stdout } = await run('list', 'c8y.profiles.plant2.device.c');
    expect(stdout).toMatch(
      /^c8y\.profiles\.plant2\.device\.cert_path=\/c\nc8y\.profiles\.plant2\.device\.csr_path=.*\n$/,
    );
  });

  it('are told from a setting when their name is none', async () => {
    const { run } = await deviceWith('');
    const { exitCode, stderr } = await run('set', 'c8y.profiles.a b.device.id', 'x');
    expect(exitCode).toBe(2);
    expect(stderr).toContain('A profile name has letters, digits, - and _, at least one letter or digit');
  });

  it('are not chosen by a name that is none', async () => {
    const { run } = await deviceWith('', { TEDGE_CLOUD_PROFILE: 'a b' });
    expect((await run('get', 'c8y.url', '--profile', 'a.b')).exitCode).toBe(2);
    expect((await run('get', 'c8y.url')).exitCode).toBe(1);
  });
});

describe("the commands of thin-edge.io's HTTPS guide", () => {
  it.each([
    ['http.bind.address', '192.168.1.6'],
    ['http.client.host', 'rpi4-dca632efb150'],
    ['c8y.proxy.client.host', 'rpi4-dca632efb150'],
    ['c8y.proxy.bind.address', '192.168.1.6'],
    ['c8y.proxy.cert_path', '/etc/tedge/device-local-certs/c8y-mapper.crt'],
    ['c8y.proxy.key_path', '/etc/tedge/device-local-certs/c8y-mapper.key'],
    ['c8y.proxy.ca_path', '/etc/ssl/certs'],
    ['http.cert_path', '/etc/tedge/device-local-certs/main-agent.crt'],
    ['http.key_path', '/etc/tedge/device-local-certs/main-agent.key'],
    ['http.ca_path', '/etc/ssl/certs'],
    ['http.client.auth.cert_file', '/etc/tedge/device-local-certs/tedge-client.crt'],
    ['http.client.auth.key_file', '/etc/tedge/device-local-certs/tedge-client.key'],
  ])('tedge config set %s %s', async (key, value) => {
    const { run } = await deviceWith('');
    expect(await run('set', key, value)).toEqual(done);
    expect(await run('get', key)).toEqual({ exitCode: 0, stdout: `${value}\n`, stderr: '' });
  });
});
