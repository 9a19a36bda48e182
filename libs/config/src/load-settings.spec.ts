import { describe, expect, it, onTestFinished } from 'vitest';
import { configDirectories, settingsLoader } from './config-directory.fixture.js';
import { loadSettings } from './load-settings.js';

const directoryWith = configDirectories(onTestFinished);
const load = settingsLoader(directoryWith);

describe('where a value comes from', () => {
  it('takes the default when nobody says anything, and a missing file for an empty one', async () => {
    const { settings, warnings } = await load(undefined);
    expect(settings.get('http.bind.port')).toBe(8000);
    expect(settings.source('http.bind.port')).toBe('default');
    expect(settings.get('http.cert_path')).toBeUndefined();
    expect(warnings).toEqual([]);
  });

  it('takes the file before the default', async () => {
    const { settings } = await load('[http.bind]\nport = 8001\n');
    expect(settings.get('http.bind.port')).toBe(8001);
    expect(settings.source('http.bind.port')).toBe('file');
  });

  it('takes the environment before the file', async () => {
    const { settings } = await load('http.client.port = 8001\n', { TEDGE_HTTP_CLIENT_PORT: '8002' });
    expect(settings.get('http.client.port')).toBe(8002);
    expect(settings.source('http.client.port')).toBe('env');
  });

  it.each([[['--http.client.port', '8003']], [['--http-client-port=8003']]])(
    'takes the flag %j before all else',
    async (argv) => {
      const { settings } = await load('http.client.port = 8001\n', { TEDGE_HTTP_CLIENT_PORT: '8002' }, argv);
      expect(settings.get('http.client.port')).toBe(8003);
      expect(settings.source('http.client.port')).toBe('argument');
    },
  );

  it('finds the file where the flag --config-dir says', async () => {
    const configDir = await directoryWith('http.client.port = 8001\n');
    const { settings } = await load('http.client.port = 1\n', {}, ['--config-dir', configDir]);
    expect(settings.get('http.client.port')).toBe(8001);
    expect(settings.directory).toBe(configDir);
  });

  it.each([[['--nonsense', '1']], [['stray']], [['--http.bind.port']]])('refuses the flags %j', async (argv) => {
    await expect(load(undefined, {}, argv)).rejects.toMatchObject({ type: 'config-invalid' });
  });

  it('shows a change in the file to the next load and not to the last', async () => {
    const configDir = await directoryWith('http.client.port = 8001\n');
    const options = { configDir, env: {}, cwd: '/' };
    const before = await loadSettings(options);
    const after = await loadSettings({ ...options, env: { TEDGE_HTTP_CLIENT_PORT: '9' } });
    expect([before.settings.get('http.client.port'), after.settings.get('http.client.port')]).toEqual([8001, 9]);
  });
});

describe('environment variables', () => {
  it('unset their key when they are empty, even if the file sets it', async () => {
    const toml = '[http]\nca_path = "/etc/ssl/certs"\nclient.port = 8001\n';
    const { settings } = await load(toml, { TEDGE_HTTP_CA_PATH: '', TEDGE_HTTP_CLIENT_PORT: '' });
    expect(settings.get('http.ca_path')).toBeUndefined();
    expect(settings.get('http.client.port')).toBe(8000);
    expect(settings.source('http.client.port')).toBe('default');
  });

  it.each([
    ['"/a b"', '/a b'],
    ["relative/x'y", "/home/me/relative/x'y"],
    ['"relative"', '/home/me/relative'],
    ['"\\u002fa"', '/a'],
  ])('read %s as the path %s', async (text, path) => {
    const { settings } = await load(undefined, { TEDGE_HTTP_CERT_PATH: text });
    expect(settings.get('http.cert_path')).toBe(path);
  });

  it.each([
    ['["a.example", "b.example"]', ['a.example', 'b.example']],
    ['a.example, b.example', ['a.example', 'b.example']],
    ['"a.example,b.example"', ['a.example', 'b.example']],
  ])('read %s as a list', async (text, hosts) => {
    const { settings } = await load(undefined, { TEDGE_PKI_HOSTNAMES: text });
    expect(settings.get('pki.hostnames')).toEqual(hosts);
  });

  it.each(['["a"', '"unterminated', '["a"]\nx = 1', '"a" # b\n[c]'])(
    'are refused when %j is not one TOML value',
    async (text) => {
      await expect(load(undefined, { TEDGE_PKI_HOSTNAMES: text })).rejects.toThrow(
        'pki.hostnames (TEDGE_PKI_HOSTNAMES)',
      );
    },
  );

  it('are named when their value is not valid', async () => {
    await expect(load(undefined, { TEDGE_HTTP_BIND_PORT: '80800' })).rejects.toThrow(
      'http.bind.port (TEDGE_HTTP_BIND_PORT) is 80800: must be a port number from 0 to 65535.',
    );
  });

  it('are reported once each when unknown, and otherwise ignored', async () => {
    const { warnings } = await load(undefined, {
      TEDGE_NONSENSE: '1',
      TEDGE_OTHER: '2',
      HOME: '/x',
      tedge_http_port: '1',
    });
    expect(warnings).toEqual([
      'TEDGE_NONSENSE is not a setting and is ignored.',
      'TEDGE_OTHER is not a setting and is ignored.',
    ]);
  });

  it('may choose directory and profile without being settings', async () => {
    const { warnings } = await load(undefined, { TEDGE_CONFIG_DIR: '/x', TEDGE_CLOUD_PROFILE: 'plant2' });
    expect(warnings).toEqual([]);
  });

  it('are understood by an old name, with a warning', async () => {
    const { settings, warnings } = await load(undefined, { TEDGE_MQTT_PORT: '1884' });
    expect(settings.get('mqtt.bind.port')).toBe(1884);
    expect(warnings).toEqual(['TEDGE_MQTT_PORT is deprecated, use TEDGE_MQTT_BIND_PORT.']);
  });

  it('are refused when old and present name are both there', async () => {
    const env = { TEDGE_MQTT_PORT: '1884', TEDGE_MQTT_BIND_PORT: '1885' };
    await expect(load(undefined, env)).rejects.toThrow('is set by TEDGE_MQTT_BIND_PORT too; remove one of them');
  });
});

describe('old and unknown names in the file', () => {
  it.each([
    ['http.port = 1', 'http.bind.port', 1],
    ['http.address = "::1"', 'http.bind.address', '::1'],
    ['http.bind_address = "::1"', 'http.bind.address', '::1'],
    ['mqtt.port = 1', 'mqtt.bind.port', 1],
    ['mqtt.external_certfile = "/x"', 'mqtt.external.cert_file', '/x'],
    ['[mqtt.external]\ncapath = "/x"', 'mqtt.external.ca_path', '/x'],
    ['[mqtt.client_auth]\ncert_file = "/x"', 'mqtt.client.auth.cert_file', '/x'],
  ] as const)('%j still sets %s', async (toml, key, value) => {
    const { settings, warnings } = await load(toml, { TEDGE_HTTP_CLIENT_PORT: '1' });
    expect(settings.get(key)).toBe(value);
    expect(warnings).toEqual([expect.stringMatching(`^tedge.toml: .* is deprecated, use ${key}.$`)]);
  });

  it('refuses a file that has a key under its old and its present name', async () => {
    await expect(load('http.port = 1\nhttp.bind.port = 2')).rejects.toThrow(
      'http.bind.port (tedge.toml) is 2: is there under another name too; remove one of them.',
    );
  });

  it('warns about keys nobody knows and reads the others', async () => {
    const { settings, warnings } = await load(
      'firmware.child.timeout = "1h"\n[[x]]\na=1\n[http]\nclient.port = 9\n"a.b" = 1\n',
    );
    expect(settings.get('http.client.port')).toBe(9);
    expect(warnings).toEqual([
      'tedge.toml: firmware.child.timeout is no setting and is ignored.',
      'tedge.toml: x is no setting and is ignored.',
      'tedge.toml: http.a.b is no setting and is ignored.',
    ]);
  });

  it('does not take a quoted name with dots for a key', async () => {
    const { settings } = await load('"http.client.port" = 9\n"http.client".port = 9');
    expect(settings.get('http.client.port')).toBe(8000);
  });

  it('accepts the version thin-edge.io writes into its file', async () => {
    const { warnings } = await load('[config]\nversion = "2"\n');
    expect(warnings).toEqual([]);
  });

  it('names the first 20 unknown keys and counts the rest', async () => {
    const { warnings } = await load(Array.from({ length: 1000 }, (_, index) => `x${index} = 1`).join('\n'));
    expect(warnings).toHaveLength(21);
    expect(warnings[20]).toBe('tedge.toml: 980 more keys are no settings and are ignored.');
  });
});

describe('faults', () => {
  it.each(['device', 'service'])(
    'name a validity of %s certificates too short to renew, and the least',
    async (kind) => {
      await expect(load(`pki.profile.${kind}.validity = "1m"\n`)).rejects.toMatchObject({
        type: 'config-invalid',
        message: expect.stringContaining(
          `pki.profile.${kind}.validity (tedge.toml) is "1m": must be a time from 10m to 1000y, such as 12h, 30d or 1y`,
        ),
      });
    },
  );

  it('are reported all at once, each with key, place, value and rule', async () => {
    const toml = 'mqtt = { topic_root = "te/#", bind = { port = "1883" } }\npki.token.validity = "soon"\n';
    const env = { TEDGE_HTTP_BIND_PORT: 'x', TEDGE_STORE_URL: 'redis://me:secret@redis' };
    const problem = await load(toml, env).catch((error: unknown) => error);
    expect(problem).toMatchObject({
      type: 'config-invalid',
      extensions: {
        faults: [
          {
            key: 'http.bind.port',
            where: 'TEDGE_HTTP_BIND_PORT',
            value: '"x"',
            rule: 'must be a port number from 0 to 65535',
          },
          {
            key: 'mqtt.topic_root',
            where: 'tedge.toml',
            value: '"te/#"',
            rule: 'must be a topic without # or +, and not c8y-internal',
          },
          {
            key: 'mqtt.bind.port',
            where: 'tedge.toml',
            value: '"1883"',
            rule: 'must be a port number from 1 to 65535',
          },
          {
            key: 'pki.token.validity',
            where: 'tedge.toml',
            value: '"soon"',
            rule: 'must be a time from 1s to 1000y, such as 60s, 1h 30m or 365d',
          },
          {
            key: 'store.url',
            where: 'TEDGE_STORE_URL',
            value: '"redis://me:<redacted>@redis"',
            rule: 'must be a redis:// or rediss:// address without password',
          },
        ],
      },
    });
    expect(String(problem)).toContain(
      '5 settings are not valid:\n- http.bind.port (TEDGE_HTTP_BIND_PORT) is "x": must be',
    );
    expect(String(problem)).not.toContain('secret');
  });

  it.each([
    ['http = 5', 'http (tedge.toml) is 5: must be a table of settings.'],
    ['[[http]]\nbind.port = 1', 'http (tedge.toml) is [{"bind":{"port":1}}]: must be a table of settings.'],
    ['c8y.profiles = []', 'c8y.profiles (tedge.toml) is []: must be a table of settings.'],
    ['c8y.profiles.a.proxy = 1', 'c8y.profiles.a.proxy (tedge.toml) is 1: must be a table of settings.'],
    ['[http.bind.port]\nx = 1', 'http.bind.port (tedge.toml) is {"x":1}: must be a port number from 0 to 65535.'],
    ['http.bind.port = 1979-05-27', 'must be a port number from 0 to 65535.'],
    ['http.bind.port = 99999999999999999999', 'http.bind.port (tedge.toml) is 99999999999999999999: must be'],
    ['http.cert_path = "certs/x.pem"', 'http.cert_path (tedge.toml) is "certs/x.pem": must be an absolute path.'],
    ['http.cert_path = "/a\\u0000b"', 'http.cert_path (tedge.toml) is "/a\\u0000b": must be an absolute path.'],
    ['pki.hostnames = "a"', 'pki.hostnames (tedge.toml) is "a": must be host names and IP addresses'],
    ['device.id = "a/b"', 'device.id (tedge.toml) is "a/b": holds a character outside letters, digits and \' = '],
  ])('%j: %s', async (toml, message) => {
    await expect(load(toml)).rejects.toThrow(message);
  });

  it.each([
    'pki.hostnames = [9007199254740993]',
    'http.bind = [9007199254740993]',
    'http.bind.port = 9007199254740993',
    'http.bind.port = 9223372036854775807',
    'http.bind.port = 1979-05-27T07:32:00Z',
    'http.bind.port = nan',
    'http.bind.port = [[], {}]',
  ])('reports %s instead of failing', async (toml) => {
    await expect(load(toml)).rejects.toMatchObject({ type: 'config-invalid' });
  });

  it.each([
    ['redis://me:pass@word@redis', '"redis://me:<redacted>@redis"'],
    ['redis://me:pass/word@redis', '"redis://me:<redacted>@redis"'],
    ['redis://:pass word@redis', '"redis://:<redacted>@redis"'],
    ['rediss://me:a"b@redis', '"rediss://me:<redacted>@redis"'],
  ])('blanks out the password of %s', async (url, value) => {
    await expect(load(undefined, { TEDGE_STORE_URL: url })).rejects.toMatchObject({
      extensions: { faults: [{ key: 'store.url', value }] },
    });
  });

  it('cuts a long value short', async () => {
    const problem = await load(`http.cert_path = "${'x'.repeat(5000)}"`).catch(String);
    expect(String(problem).length).toBeLessThan(300);
  });
});
