import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { freePort, TestCa } from '@sallyport/testkit';
import { certificatesFromPem } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { ago, set, unset } from '../fixtures/broken-site.fixture.js';
import { description } from '../fixtures/device-answers.fixture.js';
import { examine, mend } from '../fixtures/mend.fixture.js';
import { mutualSite } from '../fixtures/mutual-site.fixture.js';

describe('doctor, where a person has to act', () => {
  it('names the command that gives the operator a new certificate', async () => {
    await using site = await mutualSite();
    await site.replaceOperator({ notBefore: ago(40), notAfter: ago(10) });

    expect((await examine(site.run)).findings).toEqual([
      expect.objectContaining({ severity: 'error', fix: `sallyport --config-dir ${site.directory} secure mutual` }),
    ]);
  });

  it('names a clock that is ten minutes ahead', async () => {
    await using site = await mutualSite();
    const now = () => new Date(Date.now() + 10 * 60_000);

    expect((await examine(site.run, { now })).findings).toEqual([
      {
        id: 'clock',
        severity: 'error',
        what: "The clock of this machine is 10 minutes ahead of the signer's; certificates seem expired.",
        fix: 'timedatectl set-ntp true',
      },
    ]);
  });

  it('names a service that does not run, and how to start it', async () => {
    await using site = await mutualSite();
    await site.admin.agent.close();

    expect((await examine(site.run)).findings).toEqual([
      expect.objectContaining({
        id: 'services',
        what: expect.stringContaining('The service agent does not run'),
        fix: `npm start -- --config-dir ${site.directory}`,
      }),
    ]);
  });

  it('says once why an entrance stays closed, with the command that puts its settings back', async () => {
    await using site = await mutualSite();
    const shutReason = 'The listener "http" had level mutual.';
    const entrance = { ...site.entrances.http.describe(), isOpen: false, shutReason };
    const faults = { 'entrance http': 'is shut' };
    site.admin.agent.routes.set('GET /readyz', () => ({ ready: false, faults }));
    site.admin.agent.routes.set('GET /v1/entrance', () => ({ entrances: [entrance] }));
    const { findings } = await examine(site.run);
    expect(findings).toEqual([
      {
        id: 'listeners',
        severity: 'error',
        what: shutReason,
        fix: `sallyport --config-dir ${site.directory} secure mutual`,
      },
    ]);
  });

  it('never advises a lower level than the one a listener has', async () => {
    await using site = await mutualSite();
    await unset(site, 'http.ca_path');

    expect((await examine(site.run)).findings[0]).toMatchObject({
      what: 'The listener for file transfer is at level mutual, and its settings say server.',
      fix: `sallyport --config-dir ${site.directory} secure mutual`,
    });
  });

  it('names a port that was set after the service has started, before what follows from it', async () => {
    await using site = await mutualSite();
    const port = await freePort();
    await set(site, 'mqtt.bind.port', String(port));

    expect((await examine(site.run)).findings[0]).toMatchObject({
      id: 'listeners',
      what: `The listener for MQTT is at port ${site.ports.mqtt}, and its settings say ${port} (mqtt.bind.port). A service reads its ports when it starts. Stop the services, and start them again.`,
      fix: `npm start -- --config-dir ${site.directory}`,
    });
  });

  it('names a folder in which the file transfer cannot store anything', async () => {
    await using site = await mutualSite();
    await mkdir(join(site.directory, 'data'), { recursive: true });
    await symlink('/proc/self', join(site.directory, 'data', 'file-transfer'));

    expect((await examine(site.run)).findings[0]).toMatchObject({
      id: 'folders',
      what: expect.stringMatching(/data\/file-transfer cannot be written/),
    });
  });

  it('brings a service back that the registry refuses, before another command makes its certificate', async () => {
    await using site = await mutualSite();
    await site.replaceAgent({ crlUrl: `http://127.0.0.1:${site.ports.crl}/crl/device.crl` });
    const [leaf] = certificatesFromPem(await readFile(site.agent.cert, 'utf8'));
    if (leaf === undefined) throw new Error('no certificate');
    site.authority.revoked.push({ serialNumber: leaf.serialNumber, revokedAt: ago(1), reason: 'keyCompromise' });
    const revoked = () => ({ ...description, deviceId: 'agent', state: 'revoked' });
    site.admin['device-registry'].routes.set('GET /v1/devices/agent', revoked);

    const { findings } = await examine(site.run);
    expect(findings.find(({ id }) => id === 'revocation')?.fix).toMatch(
      /^SCRATCH=.* cert download --device-id agent .*device enroll-token --reinstate --profile service agent\)" && rm -r "\$SCRATCH" && rm -f \S+ && rm -f \S+ && .*secure mutual$/,
    );
  });

  it('knows of a revocation in the registry before the next list does', async () => {
    await using site = await mutualSite();
    const revoked = () => ({ ...description, deviceId: 'operator', state: 'revoked' });
    site.admin['device-registry'].routes.set('GET /v1/devices/operator', revoked);

    expect((await examine(site.run)).findings[0]).toMatchObject({
      id: 'revocation',
      what: `${site.operator.cert} is refused everywhere: its name was revoked in the registry.`,
      fix: expect.stringContaining('device enroll-token --reinstate --profile admin operator'),
    });
  });

  it('names what a service lacks', async () => {
    await using site = await mutualSite();
    site.admin.agent.routes.set('GET /readyz', () => ({ ready: false, faults: { mqtt: 'is not connected' } }));

    expect((await examine(site.run)).findings).toMatchObject([{ what: 'agent is not ready: mqtt is not connected.' }]);
  });

  it.each([
    ['unix:/run/mosquitto-sallyport/broker.sock', 'systemctl restart mosquitto'],
    ['mqtts://127.0.0.1:8884', 'systemctl restart mosquitto'],
    ['mqtts://broker.example:8884', 'start the broker on its machine'],
  ])('says once that the broker at %s is away, and to %s', async (url, start) => {
    await using site = await mutualSite();
    await set(site, 'mqtt.broker.url', url);
    const faults = { mqtt: 'is not connected to the broker', rpc: 'is not connected to the broker' };
    const waiting = [site.admin.agent, site.admin['device-registry']];
    for (const { routes } of waiting) routes.set('GET /readyz', () => ({ ready: false, faults }));

    const { findings } = await examine(site.run);
    expect(findings.filter(({ id }) => id === 'services')).toEqual([
      {
        id: 'services',
        severity: 'error',
        what: `The MQTT broker at ${url} (mqtt.broker.url) does not answer. These services wait for it: agent, device-registry.`,
        fix: `${start}, or if it is elsewhere: sallyport --config-dir ${site.directory} config set mqtt.broker.url URL`,
      },
    ]);
  });

  it('says once that the embedded broker in a process of its own is away, and how to start only that', async () => {
    await using site = await mutualSite();
    await set(site, 'mqtt.broker.socket', '/run/sallyport/broker.sock');
    await site.admin['mqtt-broker'].close();
    const faults = { mqtt: 'is not connected to the broker', rpc: 'is not connected to the broker' };
    site.admin.agent.routes.set('GET /readyz', () => ({ ready: false, faults }));

    const { findings } = await examine(site.run);
    expect(findings.filter(({ what }) => what.includes('wait for it'))).toEqual([
      {
        id: 'services',
        severity: 'error',
        what: 'The MQTT broker at /run/sallyport/broker.sock (mqtt.broker.socket) does not answer. These services wait for it: agent.',
        fix: `TEDGE_CONFIG_DIR=${site.directory} npx nx serve mqtt-broker`,
      },
    ]);
    expect(findings.map(({ what }) => what)).not.toContainEqual(expect.stringContaining('agent is not ready'));
  });

  it('sends who has lost the store to the backup, and does not say to start the services again', async () => {
    await using site = await mutualSite();
    const fault = 'The store has lost the CAs of this site.';
    site.admin.agent.routes.set('GET /readyz', () => ({ ready: false, faults: { site: fault } }));

    expect((await examine(site.run)).findings).toMatchObject([
      {
        what: 'agent is not ready: site The store has lost the CAs of this site.',
        fix: `restore the backup, or without one: sallyport --config-dir ${site.directory} site refound`,
      },
    ]);
  });

  it('names an address under which the certificate service cannot prove itself', async () => {
    await using site = await mutualSite();
    await set(site, 'pki.url', `https://127.0.0.1:${site.ports.pki}`);

    expect((await examine(site.run)).findings).toMatchObject([
      {
        id: 'certificate-service',
        what: expect.stringContaining('it is for another host name'),
        fix: expect.stringMatching(/config add pki\.hostnames 127\.0\.0\.1 && npm start/),
      },
    ]);
  });

  it('names a revocation list that is stale', async () => {
    await using site = await mutualSite();

    site.authority.listEndsAt = ago(2);

    expect((await examine(site.run)).findings).toEqual([
      expect.objectContaining({
        id: 'authorities',
        what: expect.stringMatching(/^The revocation list of device-1 is stale since /),
      }),
    ]);
  });

  it('notes what a crash of the broker behind the entrance costs, and does not call that a fault', async () => {
    await using site = await mutualSite();
    await set(site, 'mqtt.broker.url', 'unix:/run/mosquitto-sallyport/broker.sock');

    const { healthy, findings } = await examine(site.run);

    expect(healthy).toBe(true);
    const command = `sallyport --config-dir ${site.directory}`;
    expect(findings).toEqual([
      {
        id: 'mosquitto',
        severity: 'note',
        what: expect.stringContaining('Mosquitto acknowledges a message when it is in its memory'),
        fix: `${command} mqtt broker-config --level mutual --durable --output /etc/mosquitto/sallyport && ${command} config set mqtt.broker.waits_for_save true`,
      },
    ]);

    await set(site, 'mqtt.broker.waits_for_save', 'true');
    expect((await examine(site.run)).findings).toEqual([]);
  });

  it('tells once that the store was an older copy, until somebody has said that he knows', async () => {
    await using site = await mutualSite();
    const { routes } = site.admin['pki-signer'];
    const copy = { rowsInStore: 7, rowsInJournal: 9, rowsBroughtBack: 2, changesBroughtBack: 1 };
    let status: object = { olderCopy: { foundAt: '2030-01-01T00:00:00.000Z', ...copy } };
    routes.set('GET /v1/journal', () => status);
    site.admin['device-registry'].routes.set('GET /v1/journal', () => ({}));
    routes.set('POST /v1/journal/acknowledge', () => {
      status = {};
      return status;
    });

    const { findings } = await examine(site.run);
    expect(findings).toMatchObject([
      {
        id: 'journals',
        severity: 'warning',
        what: expect.stringContaining('changes that it had forgotten were brought back from the journal'),
      },
    ]);
    await mend(site.run, findings[0]?.fix ?? '');
    expect(await examine(site.run)).toEqual({ healthy: true, findings: [] });
  });

  it('says that the audit log was changed, and keeps what there is', async () => {
    await using site = await mutualSite();
    const verdict = { intact: false, rows: 4, brokenAt: 5, fault: 'does not have the hash of the row before it' };
    site.admin['device-registry'].routes.set('GET /v1/audit/verify', () => verdict);

    expect((await examine(site.run)).findings).toMatchObject([
      {
        id: 'audit-logs',
        severity: 'error',
        what: 'The audit log of device-registry was changed: row 5 does not have the hash of the row before it. The 4 rows before it are intact.',
        fix: expect.stringMatching(/audit export --service device-registry --out audit-of-device-registry\.ndjson$/),
      },
    ]);
  });

  it('says first that the clock is behind the birth of the CA', async () => {
    await using site = await mutualSite();
    const now = () => new Date('2019-06-01T00:00:00Z');

    const { findings } = await examine(site.run, { now });

    expect(findings).toMatchObject([{ id: 'clock', fix: 'timedatectl set-ntp true' }]);
    expect(findings[0]?.what).toContain('No certificate is valid yet.');
  });

  it('says that the store in another process does not answer', async () => {
    await using site = await mutualSite();
    await set(site, 'store.url', `redis://127.0.0.1:${await freePort()}`);

    expect((await examine(site.run)).findings).toMatchObject([
      {
        id: 'store',
        what: expect.stringMatching(
          /^The store at redis:\/\/127\.0\.0\.1:\d+ \(store\.url\) does not answer \(ECONNREFUSED\)\.$/,
        ),
        fix: expect.stringMatching(/^systemctl restart redis-server, or if it is elsewhere: /),
      },
    ]);
  });

  it('says in one line that nothing runs, and why it cannot start', async () => {
    await using site = await mutualSite();
    for (const server of Object.values(site.admin)) await server.close();

    // The listeners of the test are still there: to the doctor they are another program.
    expect((await examine(site.run)).findings).toEqual([
      {
        id: 'ports',
        severity: 'error',
        what: expect.stringMatching(
          /^The services cannot start: .* listens on 127\.0\.0\.1 port \d+ \(http\.bind\.port\), and /,
        ),
        fix: expect.stringMatching(/config set http\.bind\.port \d+ && .* && npm start -- --config-dir /),
      },
    ]);
  });

  it('names a folder that takes no file', async () => {
    await using site = await mutualSite();
    await set(site, 'data.path', '/proc/self');

    expect((await examine(site.run)).findings[0]).toMatchObject({
      id: 'folders',
      severity: 'error',
      what: expect.stringMatching(/^\/proc\/self cannot be written/),
    });
  });

  it('gives the name a foreign certificate holds, for clients to use', async () => {
    await using site = await mutualSite();
    await using ca = await TestCa.create();
    const own = await ca.issue({ commonName: 'gateway', subjectAltNames: ['DNS:localhost'] });
    await set(site, 'http.cert_path', own.certPath);
    await set(site, 'http.key_path', own.keyPath);

    const { findings } = await examine(site.run);

    expect(findings).toContainEqual(
      expect.objectContaining({
        id: 'server-names',
        what: `${own.certPath} is not for "127.0.0.1", the name clients connect to (http.client.host); it is for: localhost.`,
        fix: expect.stringMatching(/config set http\.client\.host localhost$/),
      }),
    );
  });

  it.each(['tedge.toml', 'sallyport.toml', 'mappers/c8y/mapper.toml'])('opens %s where it is no TOML', async (name) => {
    await using site = await mutualSite();
    await mkdir(dirname(join(site.directory, name)), { recursive: true });
    await writeFile(join(site.directory, name), 'http.bind.port = = 1\n');

    const { healthy, findings } = await examine(site.run);

    expect(healthy).toBe(false);
    expect(findings).toMatchObject([{ id: 'settings', fix: `\${EDITOR:-vi} ${site.directory}/${name}` }]);
  });

  it('unsets a setting with a value that cannot be', async () => {
    await using site = await mutualSite();
    await writeFile(join(site.directory, 'tedge.toml'), `${await site.settings()}mqtt.topic_root = "a#"\n`);

    const { findings } = await examine(site.run);
    await mend(site.run, findings[0]?.fix ?? '');

    expect(findings).toMatchObject([{ id: 'settings', what: expect.stringContaining('mqtt.topic_root') }]);
    expect((await examine(site.run)).healthy).toBe(true);
  });

  it('unsets a variable of the environment that is wrong', async () => {
    await using site = await mutualSite();

    const { findings } = await examine(site.run, { env: { TEDGE_HTTP_BIND_PORT: 'x' } });

    expect(findings).toMatchObject([{ fix: 'unset TEDGE_HTTP_BIND_PORT' }]);
  });
});
