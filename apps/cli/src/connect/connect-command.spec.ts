import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { mustRun, TestCa, waitFor } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CloudDevice, type CloudDeviceOptions, deviceId } from '../fixtures/cloud-device.fixture.js';

async function deviceWith(options: CloudDeviceOptions = {}): Promise<CloudDevice> {
  const device = await CloudDevice.open(options);
  onTestFinished(() => device[Symbol.asyncDispose]());
  return device;
}

const active = 'device-certs/tedge-certificate.pem';
const waiting = `${active}.new`;

describe('connect c8y', () => {
  it('makes the device at the tenant, saves the connection, and sees that the cloud answers', async () => {
    const device = await deviceWith();
    const { exitCode, stdout, stderr } = await device.run(['connect', 'c8y']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(stderr.split('\n')).toEqual([
      'Connecting to Cumulocity with config:',
      `\tdevice id: ${deviceId}`,
      '\tcloud profile: <none>',
      `\tcloud host: localhost:${device.cloud.mqtt.port}`,
      '\tauth type: Certificate',
      `\tcertificate file: ${device.path(active)}`,
      `\tprivate key file: ${device.path('device-certs/tedge-private-key.pem')}`,
      `\ttrusted CAs: ${device.cloud.caPath}`,
      '\tbridge: built-in',
      expect.stringMatching(/^\tlocal broker: mqtt:\/\/127\.0\.0\.1:\d+$/),
      '\tproxy: Not configured',
      'Creating device in Cumulocity cloud... ✓',
      'Saving the connection... ✓',
      'Telling the services... ✓',
      'Starting the connection in c8y-proxy... skipped: it does not run, and connects when it starts',
      'Waiting for the bridge to Cumulocity... ✓',
      'Verifying device is connected to cloud... ✓',
      'Checking Cumulocity is connected to intended tenant... ✓',
      'Verifying the Cumulocity proxy reaches the tenant... skipped: the service c8y-proxy does not run',
      '',
    ]);
    expect(device.cloud.mqtt.received('s/us')).toContain(`100,${deviceId},thin-edge.io`);
    expect(await device.connections()).toBe('["c8y"]');
  });

  it('tells the steps as JSON', async () => {
    const device = await deviceWith();
    const { stdout, stderr } = await device.run(['connect', 'c8y', '--json']);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toMatchObject({
      connection: 'c8y',
      steps: expect.arrayContaining([{ step: 'Verifying device is connected to cloud', outcome: 'done' }]),
    });
  });

  it('is refused while it is connected, with what to do', async () => {
    const device = await deviceWith({ bridge: null });
    await device.run(['connect', 'c8y', '--offline']);
    const { exitCode, stderr } = await device.run(['connect', 'c8y']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('This device is connected to Cumulocity already.');
    expect(stderr).toMatch(/To put changed settings in force: sallyport --config-dir \S+ reconnect c8y\./);
  });

  it('--offline only writes the settings: nothing is dialled', async () => {
    const device = await deviceWith({ bridge: null, settings: '' });
    const before = device.cloud.mqtt.received('s/us').length;
    const { exitCode, stderr } = await device.run(['connect', 'c8y', '--offline']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain(
      'Starting the connection in mqtt-bridge... skipped: it does not run, and connects when it starts',
    );
    expect(stderr).not.toContain('Creating device');
    expect(device.cloud.mqtt.received('s/us')).toHaveLength(before);
    expect(await device.connections()).toBe('["c8y"]');
  });

  it('without running services says so, and takes the settings back', async () => {
    const device = await deviceWith({ bridge: null });
    const { exitCode, stderr } = await device.run(['connect', 'c8y']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('The service mqtt-bridge does not run, so the connection cannot be checked.');
    expect(stderr).toContain('Saving the connection... taken back');
    expect(await device.connections()).toBe('[]');
  });

  it('takes the settings back when the bridge cannot work, and tells the services', async () => {
    const device = await deviceWith({ bridge: { state: 'faulty', fault: 'rules.toml:3: topic is missing.' } });
    const { exitCode, stderr } = await device.run(['connect', 'c8y']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Error: rules.toml:3: topic is missing.');
    expect(await device.connections()).toBe('[]');
    expect(device.bridge?.seen.filter(({ route }) => route === 'POST /v1/bridges/reload')).toHaveLength(2);
  });

  it('explains a certificate that the tenant does not know, and changes nothing', async () => {
    const device = await deviceWith();
    await using stranger = await TestCa.create({ commonName: 'Stranger CA' });
    const { certPem, keyPem } = await stranger.issue({ commonName: deviceId });
    await writeFile(device.path(active), certPem);
    await writeFile(device.path('device-certs/tedge-private-key.pem'), keyPem);
    const { exitCode, stderr } = await device.run(['connect', 'c8y']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('Creating device in Cumulocity cloud... ✗');
    expect(stderr).toContain(`localhost:${device.cloud.mqtt.port} does not accept the certificate of this device`);
    expect(stderr).toMatch(/sallyport --config-dir \S+ cert upload c8y --ca FILE/);
    expect(device.bridge?.seen).toEqual([]);
    expect(await device.connections()).toBe('[]');
  });

  it('explains a server that does not speak MQTT, and changes nothing', async () => {
    const device = await deviceWith();
    await device.run(['config', 'set', 'c8y.mqtt', `localhost:${device.cloud.api.port}`]);
    const { exitCode, stderr } = await device.run(['connect', 'c8y']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`localhost:${device.cloud.api.port} does not speak MQTT 3.1.1`);
    expect(await device.connections()).toBe('[]');
  });

  it('warns when the token is from another tenant, and goes on', async () => {
    const device = await deviceWith();
    await device.run(['config', 'set', 'c8y.http', `127.0.0.1:${device.cloud.api.port}`]);
    const { exitCode, stderr } = await device.run(['connect', 'c8y']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('The device is connected to the tenant localhost, but c8y.url is 127.0.0.1.');
  });

  it('is refused while thin-edge.io is connected to the same cloud', async () => {
    const device = await deviceWith({ bridge: null });
    await mkdir(device.path('mosquitto-conf'));
    await writeFile(device.path('mosquitto-conf/c8y-bridge.conf'), '');
    const { exitCode, stderr } = await device.run(['connect', 'c8y', '--offline']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('thin-edge.io is connected to Cumulocity too');
    expect(await device.connections()).toBe('[]');
  });

  it('takes the settings back when it is interrupted, and tells the services', async () => {
    const device = await deviceWith({ bridge: { state: 'down', remote: { isConnected: false } } });
    const interruption = new AbortController();
    const running = device.run(['connect', 'c8y'], { signal: interruption.signal });
    await waitFor(async () => (await device.connections()) === '["c8y"]');
    await waitFor(() => device.bridge?.seen.some(({ route }) => route === 'GET /v1/bridges'));
    interruption.abort();
    expect(await running).toMatchObject({ exitCode: 130 });
    expect(await device.connections()).toBe('[]');
    expect(device.bridge?.seen.at(-1)?.route).toBe('POST /v1/bridges/reload');
  });

  it('is refused where the environment lists the connections', async () => {
    const device = await deviceWith({ bridge: null });
    const { exitCode, stderr } = await device.run(['connect', 'c8y', '--offline'], {
      env: { TEDGE_CLOUD_CONNECTIONS: 'az' },
    });
    expect(exitCode).toBe(1);
    expect(stderr).toContain('The environment variable TEDGE_CLOUD_CONNECTIONS says which clouds');
  });
});

describe('a renewed certificate', () => {
  it('gets into force once the cloud has taken it, and the former one is kept', async () => {
    const device = await deviceWith();
    const former = await device.read(active);
    const { certPem } = await device.cloud.deviceCa.issue({ commonName: deviceId });
    const key = 'device-certs/tedge-private-key.pem';
    await writeFile(device.path(waiting), former.concat('\n'));
    expect(certPem).not.toBe(former);
    const { exitCode, stderr } = await device.run(['connect', 'c8y']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('Trying the renewed certificate... ✓');
    expect(await device.read(active)).toBe(`${former}\n`);
    expect(await device.read(`${active}.old`)).toBe(former);
    expect(await device.read(waiting)).toBe('');
    expect(await device.read(key)).toBe(device.certificate.keyPem);
  });

  it('of another key stays aside: connected with the present one, exit code 3', async () => {
    const device = await deviceWith();
    const former = await device.read(active);
    const other = await device.cloud.deviceCa.issue({ commonName: deviceId });
    await writeFile(device.path(waiting), other.certPem);
    const { exitCode, stderr } = await device.run(['connect', 'c8y']);
    expect(exitCode).toBe(3);
    expect(stderr).toContain(`The renewed certificate ${device.path(waiting)} cannot be used`);
    expect(await device.read(active)).toBe(former);
    expect(await device.read(waiting)).toBe(other.certPem);
    expect(await device.connections()).toBe('["c8y"]');
  });

  it('that is no certificate stays aside, and the advice makes a new one instead of touching the present one', async () => {
    const device = await deviceWith();
    const former = await device.read(active);
    await writeFile(device.path(waiting), 'garbage\n');
    const { exitCode, stderr } = await device.run(['connect', 'c8y']);
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/The renewed certificate \S+ cannot be used, so the present one stays in force\./);
    expect(stderr).toMatch(/holds no certificate in PEM\. Make it again: (?:tedge|sallyport).* cert renew c8y\n/);
    expect(stderr).not.toContain('cert download');
    expect(await device.read(active)).toBe(former);
  });

  it('that the cloud refuses is tried five times, because a tenant may need a moment to know it', async () => {
    const device = await deviceWith();
    const key = device.path('device-certs/tedge-private-key.pem');
    const unknown = ['req', '-x509', '-key', key, '-subj', `/CN=${deviceId}`, '-out', device.path(waiting)];
    await mustRun('openssl', unknown);
    const { exitCode, stderr } = await device.run(['connect', 'c8y', '--debug']);
    expect(exitCode).toBe(3);
    expect(stderr.match(/attempt \d with/g)).toHaveLength(5);
    expect(stderr).toContain('does not accept the certificate of this device');
  });

  it('that another connect has put in force meanwhile is no longer tried', async () => {
    const device = await deviceWith();
    const key = device.path('device-certs/tedge-private-key.pem');
    await mustRun('openssl', ['req', '-x509', '-key', key, '-subj', `/CN=${deviceId}`, '-out', device.path(waiting)]);
    const running = device.run(['connect', 'c8y']);
    await waitFor(() => /OpenSSL Error/i.test(device.cloud.mqtt.log()));
    await rm(device.path(waiting));
    const { exitCode, stderr } = await running;
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0, stderr: expect.not.stringContaining('does not take') });
    expect(await device.read(`${active}.old`)).toBe('');
  });

  it('waits where nothing may be dialled', async () => {
    const device = await deviceWith({ bridge: null });
    await copyFile(device.path(active), device.path(waiting));
    const { exitCode, stderr } = await device.run(['connect', 'c8y', '--offline']);
    expect(exitCode).toBe(0);
    expect(stderr).toContain('Trying the renewed certificate... skipped');
    expect(await device.read(waiting)).not.toBe('');
  });
});

describe('connections that get in each other’s way', () => {
  const profile = (lines: string) => `[c8y.profiles.plant2]\nurl = "localhost"\n${lines}\n`;

  it.each([
    [
      'the same device at the same cloud',
      'mqtt = "localhost:1"\nproxy.bind.port = 9001\nbridge.topic_prefix = "c8y2"',
      'c8y.profiles.plant2.mqtt and c8y.profiles.plant2.device.id give this connection the same device at the same cloud as c8y has by c8y.mqtt and c8y.device.id',
    ],
    [
      'the same topic prefix',
      'mqtt = "localhost:2"\nproxy.bind.port = 9001',
      'c8y.profiles.plant2.bridge.topic_prefix give this connection the same topic prefix as c8y has by c8y.bridge.topic_prefix: c8y.',
    ],
    [
      'the same port of the proxy',
      'mqtt = "localhost:2"\nbridge.topic_prefix = "c8y2"',
      'c8y.profiles.plant2.proxy.bind.port give this connection the same port of the Cumulocity proxy as c8y has by c8y.proxy.bind.port: 8001.',
    ],
  ])('are refused by the keys: %s', async (_, lines, text) => {
    const device = await deviceWith({ bridge: null, settings: profile(lines) });
    await device.run(['config', 'set', 'c8y.mqtt', 'localhost:1']);
    await device.run(['connect', 'c8y', '--offline']);
    const { exitCode, stderr } = await device.run(['connect', 'c8y', '--profile', 'plant2', '--offline']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(text);
    expect(await device.connections()).toBe('["c8y"]');
  });

  it('are two connections when nothing is the same', async () => {
    const lines = 'mqtt = "localhost:2"\nproxy.bind.port = 9001\nbridge.topic_prefix = "c8y2"';
    const device = await deviceWith({ bridge: null, settings: profile(lines) });
    await device.run(['connect', 'c8y', '--offline']);
    const env = { TEDGE_CLOUD_PROFILE: 'plant2' };
    expect(await device.run(['connect', 'c8y', '--offline'], { env })).toMatchObject({ exitCode: 0 });
    expect(await device.connections()).toBe('["c8y", "c8y@plant2"]');
  });
});

describe('a command that names two profiles', () => {
  it('is refused, and nothing is changed', async () => {
    const device = await deviceWith({ bridge: null, settings: '[c8y.profiles.plant2]\nurl = "localhost"\n' });
    const { exitCode, stderr } = await device.run(['connect', 'c8y@plant2', '--profile', 'plant3', '--offline']);
    expect(stderr).toContain('--profile plant3 contradicts "c8y@plant2"');
    expect(exitCode).toBe(2);
    expect(await device.connections()).toBe('[]');
  });
});

describe('connect --test', () => {
  it('checks the connection, also several times at once', async () => {
    const device = await deviceWith();
    await device.run(['connect', 'c8y']);
    const runs = await Promise.all([1, 2, 3].map(() => device.run(['connect', 'c8y', '--test'])));
    expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
    expect(runs[0]?.stderr).toContain('Connection check to c8y cloud is successful.');
  });

  it('fails without a connection', async () => {
    const device = await deviceWith();
    const { exitCode, stderr } = await device.run(['connect', 'c8y', '--test']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('This device is not connected to Cumulocity.');
  });
});

describe('a user-defined mapper', () => {
  const mapper = async (device: CloudDevice) => {
    await device.run(['config', 'set', 'device.id', deviceId]);
    const { mqtt, caPath } = device.cloud;
    const text = `url = "localhost:${mqtt.port}"\n[device]\nroot_cert_path = "${caPath}"\n`;
    await mkdir(device.path('mappers/lab'), { recursive: true });
    await writeFile(device.path('mappers/lab/mapper.toml'), text);
  };

  it('is connected like a cloud', async () => {
    const device = await deviceWith();
    await mapper(device);
    const { exitCode, stderr } = await device.run(['connect', 'lab']);
    expect({ exitCode, stderr }).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('Connecting to lab directly... ✓'),
    });
    expect(await device.connections()).toBe('["lab"]');
  });

  it.each([
    [null, 2],
    [{ state: 'down', remote: { isConnected: false, fault: 'the cloud is away' } } as const, 3],
  ])('is tested with exit codes of its own (%#)', async (bridge, code) => {
    const device = await deviceWith({ bridge });
    await mapper(device);
    await device.run(['connect', 'lab', '--offline']);
    expect(await device.run(['connect', 'lab', '--test'])).toMatchObject({ exitCode: code });
  });
});

describe('disconnect and reconnect', () => {
  it('ends the connection, and is fine when there is none', async () => {
    const device = await deviceWith();
    await device.run(['connect', 'c8y']);
    expect(await device.run(['disconnect', 'c8y'])).toMatchObject({ exitCode: 0 });
    expect(await device.connections()).toBe('[]');
    const again = await device.run(['disconnect', 'c8y']);
    expect(again).toMatchObject({ exitCode: 0, stderr: 'This device is not connected to c8y. Nothing was changed.\n' });
  });

  it('connects anew, and also what was not connected', async () => {
    const device = await deviceWith();
    expect(await device.run(['reconnect', 'c8y'])).toMatchObject({ exitCode: 0 });
    const { exitCode, stderr } = await device.run(['reconnect', 'c8y']);
    expect(exitCode).toBe(0);
    expect(stderr).toMatch(
      /^Reconnecting to Cumulocity with config:\n.*Removing the connection\.\.\. ✓\n.*Saving the connection\.\.\. ✓\n/s,
    );
    expect(await device.connections()).toBe('["c8y"]');
  });

  it('keeps the former connection when it cannot be made anew', async () => {
    const device = await deviceWith();
    await device.run(['connect', 'c8y']);
    await rename(device.path('device-certs/tedge-private-key.pem'), device.path('away'));
    const { exitCode, stderr } = await device.run(['reconnect', 'c8y']);
    expect(exitCode).toBe(1);
    expect(stderr).toContain('There is no private key at');
    expect(await device.connections()).toBe('["c8y"]');
    await rm(device.path('away'));
  });
});

describe('a device with user name and password', () => {
  it('is connected by them, and no word of the password is shown', async () => {
    const users = [{ name: `t12345/device_${deviceId}`, password: 'fake-cloud-secret' }];
    const device = await deviceWith({ cloud: { deviceUsers: users }, settings: 'c8y.auth_method = "basic"\n' });
    await writeFile(
      device.path('credentials.toml'),
      `[c8y]\nusername = "${users[0]?.name}"\npassword = "${users[0]?.password}"\n`,
    );
    const { stderr } = await device.run(['connect', 'c8y', '--offline', '--debug']);
    expect(stderr).toContain('\tauth type: Basic');
    expect(stderr).not.toContain('fake-cloud-secret');
  });
});
