import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adminSocketPath } from '@sallyport/protocol';
import { TestCa, temporaryDirectory } from '@sallyport/testkit';
import { answers, type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { AdminServer } from '../../fixtures/admin-server.fixture.js';
import { examine, mend } from '../../fixtures/mend.fixture.js';
import { type Ran, runSallyport, type World } from '../../fixtures/run-sallyport.fixture.js';

let cloud: FakeCloud;
let cwd: string;

/** A device that is connected to a tenant with a certificate of its own making, and nothing is wrong. */
beforeEach(async () => {
  cloud = await fakeCloud({ devices: ['gateway01'] });
  onTestFinished(() => cloud[Symbol.asyncDispose]());
  const directory = temporaryDirectory('sallyport-clouds-');
  onTestFinished(() => directory.remove());
  cwd = directory.path;
  const lines = [
    ...[
      `c8y.url = "localhost"`,
      `c8y.http = "localhost:${cloud.api.port}"`,
      `c8y.mqtt = "localhost:${cloud.mqtt.port}"`,
    ],
    `c8y.root_cert_path = "${cloud.caPath}"`,
  ];
  await writeFile(join(cwd, 'tedge.toml'), `${lines.join('\n')}\n`);
  await writeFile(join(cwd, 'sallyport.toml'), '[cloud]\nconnections = ["c8y"]\n');
  await run(['cert', 'create', '--device-id', 'gateway01']);
  await cloud.trusted.trust(await certificate());
});

function run(words: readonly string[], world: Partial<World> = {}): Promise<Ran> {
  return runSallyport([...words, '--config-dir', cwd], { cwd, ...world });
}

function certificate(): Promise<string> {
  return readFile(join(cwd, 'device-certs', 'tedge-certificate.pem'), 'utf8');
}

/** What the check of the clouds finds. */
async function found(world: Partial<World> = {}) {
  const { findings } = await examine(run, world);
  return findings.filter(({ id }) => id === 'clouds');
}

/** Runs the repair, with the words that only a person knows. */
async function follow(fix: string, own: Readonly<Record<string, string>> = {}): Promise<void> {
  const env = { C8Y_USER: cloud.user.name, C8Y_PASSWORD: cloud.user.password };
  const asOperator: typeof run = (words, world) => run(words, { env, ...world });
  const command = fix.replace(/\b[A-Z]{4,}(?::PORT)?\b/g, (word) => own[word] ?? word);
  await mend(asOperator, command);
}

describe('doctor, about a cloud', () => {
  it('finds nothing where nothing is wrong, and begins no session', async () => {
    expect(await found()).toEqual([]);
    expect(cloud.mqtt.log()).not.toContain('as gateway01');
  });

  it('finds nothing on a device that is connected to no cloud', async () => {
    await run(['config', 'unset', 'cloud.connections']);
    await cloud.api.link.refuse();

    expect(await found()).toEqual([]);
  });

  it('tells that the CA of the cloud is not trusted, and the command makes it right', async () => {
    await run(['config', 'set', 'c8y.root_cert_path', cloud.otherCaPath]);
    const [finding] = await found();

    expect(finding?.what).toContain('is not trusted: its issuer (');
    await follow(finding?.fix ?? '', { PATH: cloud.caPath });
    expect(await found()).toEqual([]);
  });

  it('tells that the device id is not the name in the certificate, and the command makes it right', async () => {
    await run(['config', 'set', 'c8y.device.id', 'gateway02']);
    const [finding, ...others] = await found();

    expect(others).toEqual([]);
    expect(finding?.what).toContain('the device id is gateway02 (c8y.device.id), and the certificate at');
    await follow(finding?.fix ?? '');
    expect(await found()).toEqual([]);
  });

  it('tells that the tenant does not trust the device, and the command makes it right', async () => {
    await run(['cert', 'remove']);
    await run(['cert', 'create', '--device-id', 'gateway01']);
    const [finding] = await found();

    expect(finding).toMatchObject({ severity: 'error', fix: `sallyport --config-dir ${cwd} cert upload c8y` });
    expect(finding?.what).toContain('does not accept the certificate of this device');
    await follow(finding?.fix ?? '');
    expect(await found()).toEqual([]);
  });

  it('finds nothing wrong with a certificate of the tenant, whose CA this device need not have', async () => {
    await run(['cert', 'remove']);
    cloud.api.answer('/.well-known/est/cacerts', answers.status(404));
    cloud.tenant.oneTimePasswordByDevice.set('gateway01', 'a-password');
    await run(['cert', 'download', 'c8y', '--device-id', 'gateway01', '-p', 'a-password']);
    const { findings } = await examine(run);

    expect(findings.filter(({ id }) => ['clouds', 'device-identity'].includes(id))).toEqual([]);
  });

  it('warns of a certificate that will expire, and the first command renews it', async () => {
    const now = (): Date => new Date(Date.now() + 355 * 86_400_000);
    const finding = (await found({ now })).find(({ what }) => what.includes('expires'));

    expect(finding?.severity).toBe('warning');
    expect(finding?.fix.split(' && ').map((command) => command.replace(`--config-dir ${cwd} `, ''))).toEqual([
      'sallyport cert renew c8y --ca self-signed',
      'sallyport cert upload c8y',
      'sallyport reconnect c8y',
    ]);
    await follow(finding?.fix.split(' && ')[0] ?? '');
    expect(await readFile(join(cwd, 'device-certs', 'tedge-certificate.pem.new'), 'utf8')).toContain(
      'BEGIN CERTIFICATE',
    );
  });

  it('tells that the clock is wrong by the clock of the cloud', async () => {
    const [finding] = await found({ now: () => new Date(Date.now() + 3_600_000) });

    expect(finding).toMatchObject({ severity: 'warning', fix: 'timedatectl set-ntp true' });
    expect(finding?.what).toBe('c8y: the clock of this machine is 60 minutes ahead of that of the cloud.');
  });

  it.each([
    ['expired', 'has expired'],
    ['not yet valid', 'is not valid yet'],
  ] as const)('points to the clock when the certificate of the cloud is %s', async (kind, words) => {
    await cloud.showCertificate(kind);
    const [finding] = await found();

    expect(finding?.what).toContain(words);
    expect(finding?.fix).toBe('timedatectl set-ntp true');
  });

  it('tells which port does not answer, and not the one that does', async () => {
    await cloud.mqtt.link.refuse();
    const findings = await found();

    expect(findings.map(({ what }) => what)).toEqual([`c8y: Nothing listens at localhost:${cloud.mqtt.port}.`]);
    expect(findings[0]?.fix).toBe(`sallyport --config-dir ${cwd} config set c8y.mqtt HOST:PORT`);
  });

  it('tells that the HTTP proxy is not there, and the command makes it right', async () => {
    await run(['config', 'set', 'proxy.address', 'localhost:1']);
    const [finding] = await found();

    expect(finding?.what).toContain('The HTTP proxy localhost:1 (proxy.address) cannot be used');
    expect(finding?.fix).toBe(`sallyport --config-dir ${cwd} config set proxy.address HOST:PORT`);
    await run(['config', 'set', 'proxy.no_proxy', 'localhost']);
    expect(await found()).toEqual([]);
  });

  it('tells that the key is not that of the certificate, with both files', async () => {
    await using ca = await TestCa.create();
    const { keyPem } = await ca.issue();
    const keyPath = join(cwd, 'other.key');
    await writeFile(keyPath, keyPem, { mode: 0o600 });
    await run(['config', 'set', 'c8y.device.key_path', keyPath]);
    const [finding] = await found();

    expect(finding?.what).toContain(`The private key in ${keyPath} (c8y.device.key_path) does not belong`);
  });

  it('tells of a connection that settings do not describe, with the command that does', async () => {
    await run(['config', 'set', 'cloud.connections', 'az']);
    const [finding] = await found();

    expect(finding?.what).toContain('az: The value of az.url is missing.');
    expect(finding?.fix).toBe(`sallyport --config-dir ${cwd} config set az.url HOST`);
  });

  describe('where the bridges run', () => {
    const half = { isConnected: true, since: '2026-05-01T00:00:00Z' };
    const bridge = {
      ...{ name: 'c8y', service: 'tedge-mapper-bridge-c8y', state: 'up', since: half.since, local: half, remote: half },
      ...{ oldestUnackedMs: 0, inFlight: { outbound: 0, inbound: 0 }, rules: [] },
    };

    /** What the service of the bridges says. */
    async function running(...bridges: readonly object[]): Promise<void> {
      const server = await AdminServer.listen(adminSocketPath(join(cwd, 'run'), 'mqtt-bridge', '/'), {
        'GET /readyz': () => ({ ready: true, faults: {} }),
        'GET /v1/bridges': () => ({ bridges }),
      });
      onTestFinished(() => server.close());
    }

    it('does not dial the broker when the bridge is connected to it', async () => {
      await running(bridge);
      await cloud.mqtt.link.refuse();

      expect(await found()).toEqual([]);
    });

    it('tells that no bridge runs for a cloud that is connected', async () => {
      await running();

      expect(await found()).toEqual([
        {
          ...{ id: 'clouds', severity: 'error', what: 'c8y is in cloud.connections, and no bridge runs for it.' },
          fix: `sallyport --config-dir ${cwd} reconnect c8y`,
        },
      ]);
    });

    it('tells that a bridge runs for a cloud that is not connected', async () => {
      await running(bridge, { ...bridge, name: 'c8y@plant2' });

      expect(await found()).toMatchObject([
        {
          what: 'A bridge to c8y@plant2 runs, and cloud.connections does not name it.',
          fix: `sallyport --config-dir ${cwd} disconnect c8y --profile plant2`,
        },
      ]);
    });

    it('tells why a bridge cannot work', async () => {
      await running({ ...bridge, state: 'faulty', fault: 'rules/mine.toml, line 3: no such rule' });

      expect(await found()).toMatchObject([
        { what: 'c8y: the bridge cannot work: rules/mine.toml, line 3: no such rule' },
      ]);
    });

    it('does not blame the local broker when the cloud is away', async () => {
      await cloud.mqtt.link.refuse();
      const remote = { isConnected: false, since: half.since, fault: 'ECONNREFUSED' };
      await running({ ...bridge, state: 'down', local: { isConnected: false, since: half.since }, remote });

      expect(await found()).toMatchObject([
        { what: expect.stringMatching(/^c8y: Nothing listens at localhost:\d+\.$/) },
      ]);
    });

    it('tells that the bridge has lost the local broker', async () => {
      const local = { isConnected: false, since: half.since, fault: 'ECONNREFUSED' };
      await running({ ...bridge, state: 'down', local });

      expect(await found()).toMatchObject([
        { what: 'c8y: the bridge has no connection to the local broker: ECONNREFUSED' },
      ]);
    });
  });
});
