import { describe, expect, it, onTestFinished } from 'vitest';
import { CloudSite } from './cloud-site.fixture.js';

async function siteWith(files: Readonly<Record<string, string>>): Promise<CloudSite> {
  const site = await CloudSite.create(files);
  onTestFinished(() => site[Symbol.asyncDispose]());
  return site;
}

const named = '[device]\nid = "gateway1"\n';

describe('a connection to Cumulocity', () => {
  it('takes hosts, ports and limits from the settings and their defaults', async () => {
    const site = await siteWith({ 'tedge.toml': `${named}[c8y]\nurl = "tenant.example"\n` });
    expect(await site.connection()).toMatchObject({
      name: 'c8y',
      kind: 'c8y',
      profile: undefined,
      mqtt: { host: 'tenant.example', port: 8883, isTls: true },
      http: { host: 'tenant.example', port: 443 },
      deviceId: 'gateway1',
      authMethod: 'certificate',
      identity: {
        certPath: site.path('device-certs/tedge-certificate.pem'),
        keyPath: site.path('device-certs/tedge-private-key.pem'),
      },
      rootCertPath: '/etc/ssl/certs',
      topicPrefix: 'c8y',
      keepAliveSeconds: 60,
      maxPayloadBytes: 16_184,
      isCleanSession: true,
      httpProxy: undefined,
      directory: site.path('mappers/c8y'),
    });
  });

  it.each([
    ['url = "t.example"\nmqtt = "m.example:1234"\nhttp = "h.example:4433"', { host: 'm.example', port: 1234 }, 4433],
    ['url = "t.example"\nhttp = "h.example"', { host: 't.example', port: 8883 }, 443],
    ['url = "t.example"\nmqtt_service.enabled = true', { host: 't.example', port: 9883 }, 443],
    [
      'mqtt = "m.example:8883"\nhttp = "h.example"\nmqtt_service.enabled = true',
      { host: 'm.example', port: 8883 },
      443,
    ],
  ])('with %j is at the places these settings name', async (lines, mqtt, httpPort) => {
    const site = await siteWith({ 'tedge.toml': `${named}[c8y]\n${lines}\n` });
    const connection = await site.connection();
    expect(connection.mqtt).toEqual({ ...mqtt, isTls: true });
    expect(connection.http?.port).toBe(httpPort);
  });

  it('of a profile has the settings of that profile, and asks for them by their full names', async () => {
    const toml = `${named}[c8y]\nurl = "main.example"\n[c8y.profiles.plant2]\nurl = "plant2.example"\nroot_cert_path = "/etc/plant2.pem"\nbridge.topic_prefix = "c8y-plant2"\ndevice.id = "gateway1-at-2"\n`;
    const site = await siteWith({ 'tedge.toml': toml });
    const connection = await site.connection('c8y@plant2');
    expect(connection).toMatchObject({
      mqtt: { host: 'plant2.example' },
      deviceId: 'gateway1-at-2',
      topicPrefix: 'c8y-plant2',
      rootCertPath: '/etc/plant2.pem',
      directory: site.path('mappers/c8y.plant2'),
    });
    expect(connection.settingNames.rootCertPath).toBe('c8y.profiles.plant2.root_cert_path');
    expect(connection.commandToSet('rootCertPath', '/etc/ca.pem')).toBe(
      'tedge config set c8y.root_cert_path /etc/ca.pem --profile plant2',
    );
  });

  it('without a host is refused with the command that sets it', async () => {
    const site = await siteWith({ 'tedge.toml': `${named}[c8y.profiles.plant2]\nroot_cert_path = "/x"\n` });
    await expect(site.connection()).rejects.toThrow(
      'The value of c8y.url is missing. Set it with: tedge config set c8y.url HOST',
    );
    await expect(site.connection('c8y@plant2')).rejects.toThrow(
      'The value of c8y.profiles.plant2.url is missing. Set it with: tedge config set c8y.url HOST --profile plant2',
    );
  });

  it('of an unknown profile is refused with the command that makes it', async () => {
    const site = await siteWith({ 'tedge.toml': `${named}[c8y]\nurl = "main.example"\n` });
    await expect(site.connection('c8y@plant3')).rejects.toThrow(
      'There is no profile "plant3" of c8y. Make it by setting one of its keys: tedge config set c8y.url HOST --profile plant3',
    );
  });

  it.each([
    ['[device]\nid = "g"\nkey_uri = "pkcs11:token=t"\n[c8y]\nurl = "t.example"\n', 'device.key_uri'],
    ['[device]\nid = "g"\n[c8y]\nurl = "t.example"\ndevice.key_uri = "pkcs11:token=t"\n', 'c8y.device.key_uri'],
  ])('refuses a key in a hardware module by its setting', async (toml, name) => {
    const site = await siteWith({ 'tedge.toml': toml });
    await expect(site.connection()).rejects.toThrow(
      `${name} names a private key in a hardware module (PKCS#11), and Sallyport cannot use one. Use a key in a file: tedge config unset ${name}`,
    );
  });
});

describe('authentication at Cumulocity', () => {
  const credentials = '[c8y]\nusername = "t1/device_gateway1"\npassword = "secret"\n';
  const toml = (method: string) => `${named}[c8y]\nurl = "t.example"\nauth_method = "${method}"\n`;

  it.each([
    ['certificate', true, 'certificate'],
    ['basic', true, 'basic'],
    ['password', true, 'basic'],
    ['auto', true, 'basic'],
    ['auto', false, 'certificate'],
  ])('by %s, with a credentials file: %s, is by %s', async (method, hasFile, expected) => {
    const site = await siteWith({
      'tedge.toml': toml(method),
      ...(hasFile ? { 'credentials.toml': credentials } : {}),
    });
    expect((await site.connection()).authMethod).toBe(expected);
  });

  it('reads user name and password when they are asked for, so that an edited file counts', async () => {
    const site = await siteWith({ 'tedge.toml': toml('basic'), 'credentials.toml': credentials });
    const connection = await site.connection();
    expect(await connection.credentials()).toEqual({ username: 't1/device_gateway1', password: 'secret' });
    await site.write('credentials.toml', credentials.replace('secret', 'other'));
    expect((await connection.credentials()).password).toBe('other');
  });

  it.each([
    ['[c8y]\nusername = "u"\n', 'has no usable password in its table [c8y]'],
    ['[credentials]\nusername = "u"\npassword = "secret"\n', 'has no table [c8y]'],
    ['[c8y]\nusername = "u"\npassword = "secret\\n"\n', 'has no usable password in its table [c8y]'],
    ['[c8y]\nusername = "u"\npassword = secret\n', 'is not valid TOML at line 3, column 12'],
  ])('refuses the file %j, and quotes nothing of it', async (text, reason) => {
    const site = await siteWith({ 'tedge.toml': toml('basic'), 'credentials.toml': text });
    const outcome = (await site.connection()).credentials();
    await expect(outcome).rejects.toThrow(`${site.path('credentials.toml')} ${reason}`);
    await expect(outcome).rejects.not.toThrow('secret');
  });
});

describe('a connection to Azure or AWS', () => {
  it.each([
    ['az', 262_144],
    ['aws', 131_072],
  ])('%s keeps its session, and has no REST API', async (name, maxPayloadBytes) => {
    const site = await siteWith({ 'tedge.toml': `${named}[${name}]\nurl = "hub.example"\n` });
    expect(await site.connection(name)).toMatchObject({
      mqtt: { host: 'hub.example', port: 8883, isTls: true },
      http: undefined,
      authMethod: 'certificate',
      isCleanSession: false,
      topicPrefix: name,
      maxPayloadBytes,
    });
  });
});

describe('a user-defined mapper', () => {
  const toml = [
    'url = "broker.example:8884"',
    'auth_method = "certificate"',
    '[device]',
    'id = "line4"',
    'cert_path = "line4.crt"',
    'key_path = "keys/line4.key"',
    'root_cert_path = "/etc/line4-roots"',
    '[bridge]',
    'clean_session = true',
    'keepalive_interval = "2m"',
    'max_payload_size = 1000',
  ].join('\n');

  it('has the settings of its mapper.toml, with paths relative to its folder', async () => {
    const site = await siteWith({ 'tedge.toml': '', 'mappers/line4/mapper.toml': toml });
    const folder = site.path('mappers/line4');
    expect(await site.connection('line4')).toMatchObject({
      kind: 'custom',
      mqtt: { host: 'broker.example', port: 8884, isTls: true },
      deviceId: 'line4',
      identity: { certPath: `${folder}/line4.crt`, keyPath: `${folder}/keys/line4.key` },
      rootCertPath: '/etc/line4-roots',
      isCleanSession: true,
      keepAliveSeconds: 120,
      maxPayloadBytes: 1000,
      topicPrefix: 'line4',
    });
  });

  it.each([
    ['url = "b.example"', true, 8883],
    ['url = "b.example:1883"', false, 1883],
    ['url = "b.example:1883"\n[bridge.tls]\nenable = true', true, 1883],
    ['url = "b.example:8883"\n[bridge.tls]\nenable = false', false, 8883],
    ['url = "b.example:1884"\n[bridge.tls]\nenable = "auto"', true, 1884],
  ])('with %j uses TLS: %s', async (text, isTls, port) => {
    const site = await siteWith({ 'tedge.toml': named, 'mappers/lab/mapper.toml': text });
    expect((await site.connection('lab')).mqtt).toEqual({ host: 'b.example', port, isTls });
  });

  it('finds its credentials beside its settings', async () => {
    const site = await siteWith({
      'tedge.toml': named,
      'mappers/lab/mapper.toml': 'url = "b.example:1883"',
      'mappers/lab/credentials.toml': '[credentials]\nusername = "u"\npassword = "p"\n',
    });
    const connection = await site.connection('lab');
    expect(connection.authMethod).toBe('basic');
    expect(await connection.credentials()).toEqual({ username: 'u', password: 'p' });
  });

  it('reports every fault with file and line', async () => {
    const text = 'url = "https://b.example"\n\n[bridge]\nkeepalive_interval = 0\n\n[bridge.tls]\nenable = "maybe"\n';
    const site = await siteWith({ 'tedge.toml': named, 'mappers/lab/mapper.toml': text });
    const path = site.path('mappers/lab/mapper.toml');
    await expect(site.connection('lab')).rejects.toThrow(
      [
        `${path}:1: url must be a host name, with or without a port (host:443).`,
        `${path}:4: bridge.keepalive_interval must be a time from 1s to 1000y, such as 60s, 1h 30m or 365d.`,
        `${path}:7: bridge.tls.enable must be true, false or "auto".`,
      ].join('\n'),
    );
  });

  it('reports the line also for an inline table, and behind a text that looks like settings', async () => {
    const text = 'note = """\nurl = "x"\n"""\nbridge = { clean_session = 5 }\nurl = "https://b.example"\n';
    const site = await siteWith({ 'tedge.toml': named, 'mappers/lab/mapper.toml': text });
    const path = site.path('mappers/lab/mapper.toml');
    await expect(site.connection('lab')).rejects.toThrow(
      [
        `${path}:5: url must be a host name, with or without a port (host:443).`,
        `${path}:4: bridge.clean_session must be true or false.`,
      ].join('\n'),
    );
  });

  it('cannot show a certificate without TLS', async () => {
    const text = 'auth_method = "certificate"\nurl = "b.example:1883"\n';
    const site = await siteWith({ 'tedge.toml': named, 'mappers/lab/mapper.toml': text });
    await expect(site.connection('lab')).rejects.toThrow(
      `${site.path('mappers/lab/mapper.toml')}:2: auth_method is certificate, and without TLS no certificate can be shown.`,
    );
  });

  it('with rules and without mapper.toml is refused', async () => {
    const site = await siteWith({ 'tedge.toml': '', 'mappers/lab/bridge/rules.toml': '' });
    await expect(site.connection('lab')).rejects.toThrow(
      `${site.path('mappers/lab')} has bridge rules but no mapper.toml`,
    );
  });

  it('that nobody defined is refused with what to write', async () => {
    const site = await siteWith({ 'tedge.toml': '' });
    await expect(site.connection('c9y')).rejects.toThrow('There is no cloud and no user-defined mapper "c9y".');
  });

  it.each(['../etc', 'a/b', 'lab@x', 'Lab', '', 'c8y@', 'constructor', 'c8y@__proto__'])(
    'is never named %j',
    async (name) => {
      const site = await siteWith({ 'tedge.toml': '' });
      await expect(site.connection(name)).rejects.toThrow('is no name of a cloud connection');
    },
  );
});

describe('the HTTP proxy', () => {
  it.each([
    ['address = "proxy.example:3128"', { host: 'proxy.example', port: 3128, isTls: false }],
    ['address = "https://proxy.example"', { host: 'proxy.example', port: 443, isTls: true }],
    ['address = "http://[::1]:8080"', { host: '::1', port: 8080, isTls: false }],
  ])('of %s is at its place', async (lines, expected) => {
    const site = await siteWith({ 'tedge.toml': `${named}[c8y]\nurl = "t.example"\n[proxy]\n${lines}\n` });
    expect((await site.connection()).httpProxy).toMatchObject(expected);
  });

  it('with half of its credentials is refused', async () => {
    const site = await siteWith({
      'tedge.toml': `${named}[c8y]\nurl = "t.example"\n[proxy]\naddress = "p"\nusername = "u"\n`,
    });
    await expect(site.connection()).rejects.toThrow('proxy.username and proxy.password only work together');
  });
});
