import { adminSocketPath, Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { AdminServer } from '../fixtures/admin-server.fixture.js';
import { fakeSite } from '../fixtures/fake-site.fixture.js';

const registryStatus = () => ({
  service: 'device-registry',
  devices: { active: 3, 'pending-approval': 0, locked: 1, revoked: 0, retired: 0 },
  audit: { rows: 7, headHash: '0'.repeat(64) },
});

describe('status', () => {
  it('shows services, listeners, levels, devices and the CA', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/status', registryStatus);
    await site.run(['secure', 'server']);

    const { exitCode, stdout } = await site.run(['status']);

    expect(exitCode).toBe(0);
    expect(stdout).toContain(`CA (SHA-256):  ${site.authority.root.fingerprint}\n`);
    expect(stdout).toContain('Devices:       3 active, 0 pending-approval, 1 locked, 0 revoked, 0 retired\n');
    expect(stdout).toMatch(/^agent +ready$/m);
    expect(stdout).toMatch(new RegExp(`^file transfer +127\\.0\\.0\\.1:${site.ports.http} +server `, 'm'));
    expect(stdout).toMatch(/^registry admin API .* closed /m);
  });

  it('shows the broker behind the MQTT listener, its sessions, and why it refused clients', async () => {
    await using site = await fakeSite();
    site.admin['mqtt-broker'].routes.set('GET /v1/broker', () => ({
      behind: 'other',
      url: 'unix:/run/mosquitto.sock',
      isReachable: false,
      fault: 'ECONNREFUSED',
      sessions: 3,
      opened: 12,
      refusals: { 'connect-late': 2, 'broker-unavailable': 1 },
    }));

    const { stdout } = await site.run(['status']);

    expect(stdout).toMatch(
      /^unix:\/run\/mosquitto\.sock +does not answer: ECONNREFUSED +3 +12 +connect-late 2, broker-unavailable 1$/m,
    );
  });

  it('shows whom the embedded broker refused, and what it holds', async () => {
    await using site = await fakeSite();
    site.admin['mqtt-broker'].routes.set('GET /v1/broker', () => ({
      behind: 'embedded',
      isReachable: true,
      sessions: 3,
      opened: 12,
      refusals: { 'sessions-full': 2 },
      holds: { sessions: 5, queuedBytes: 1_234, retainedMessages: 7, journalBytes: 65_536 },
    }));

    const { stdout } = await site.run(['status']);

    expect(stdout).toMatch(/^embedded +answers +3 +12 +sessions-full 2$/m);
    expect(stdout).toMatch(
      /^SESSIONS KEPT OR OPEN +QUEUED BYTES +RETAINED MESSAGES +JOURNAL BYTES\n5 +1234 +7 +65536$/m,
    );
  });

  it('shows each bridge to a cloud; one whose cloud is away is no fault of the site', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/status', registryStatus);
    const half = { isConnected: true, since: '2030-01-01T00:00:00.000Z' };
    const bridge = await AdminServer.listen(adminSocketPath(`${site.directory}/run`, 'mqtt-bridge', '/'), {
      'GET /readyz': () => ({ ready: true, faults: {} }),
      'GET /v1/bridges': () => ({
        bridges: [
          {
            name: 'c8y@plant2',
            service: 'tedge-mapper-bridge-c8y-plant2',
            state: 'down',
            since: '2030-01-01T00:00:00.000Z',
            local: half,
            remote: { isConnected: false, fault: 'ECONNREFUSED 192.0.2.1:8883' },
            oldestUnackedMs: 4_200,
            inFlight: { outbound: 3, inbound: 0 },
            rules: [
              { rule: 'c8y/s/us/# -> s/us/#', direction: 'outbound', forwarded: 12, dropped: { 'over-limit': 2 } },
            ],
          },
        ],
      }),
    });

    const { exitCode, stdout } = await site.run(['status']);
    await bridge.close();

    expect(exitCode).toBe(0);
    expect(stdout).toMatch(
      /^c8y@plant2 +down: ECONNREFUSED 192\.0\.2\.1:8883 +2030-01-01T00:00:00\.000Z +12 +2 +3 +4200 ms$/m,
    );
  });

  it('shows each connector, where its service runs', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/status', registryStatus);
    const one = { name: 'default', version: 3, domains: ['k3p9.example'], self: true, pki: true, clientCas: 2 };
    site.admin['device-registry'].routes.set('GET /v1/connectors', () => ({ connectors: [one] }));
    const without = await site.run(['status']);
    const connector = await AdminServer.listen(adminSocketPath(`${site.directory}/run`, 'connector', '/'), {
      'GET /readyz': () => ({ ready: true, faults: {} }),
      'GET /v1/entrance': () => ({ entrances: [] }),
    });

    const { exitCode, stdout } = await site.run(['status']);
    await connector.close();

    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^default +3 +k3p9\.example +on +on +2$/m);
    expect(without.stdout).not.toContain('SELF-PROVISIONING');
    expect(without.stdout).toMatch(/^connector +not used: a site may do without it$/m);
  });

  it('exits with 1 when a service is not ready, and says what it lacks', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/status', registryStatus);
    site.admin.agent.routes.set('GET /readyz', () => ({
      ready: false,
      faults: { mqtt: 'is not connected to the broker' },
    }));

    const { exitCode, stdout } = await site.run(['status']);

    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^agent +waiting: mqtt is not connected to the broker$/m);
  });

  it('exits with 1 when a service does not run', async () => {
    await using site = await fakeSite();
    await site.admin['device-registry'].close();

    const { exitCode, stdout } = await site.run(['status']);

    expect(exitCode).toBe(1);
    expect(stdout).toMatch(/^device-registry +down: The service device-registry does not run/m);
  });

  it('does not miss what never ran on this machine of a larger site', async () => {
    await using site = await fakeSite();
    await site.admin.agent.close();
    site.admin['device-registry'].routes.set('GET /v1/status', registryStatus);
    const env = { TEDGE_STORE_URL: 'redis://redis.example:6379' };

    const { exitCode, stdout } = await site.run(['status'], { env });

    expect(stdout).toMatch(/^agent +elsewhere: it has never run on this machine$/m);
    expect(exitCode).toBe(0);
  });

  it.each([
    ['', 0, /^mqtt-bridge +not needed: no cloud is connected$/m],
    ['c8y', 1, /^mqtt-bridge +down: The service mqtt-bridge does not run/m],
  ])('needs the bridge only while a cloud is connected (%j)', async (connections, expected, line) => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/status', registryStatus);

    const { exitCode, stdout } = await site.run(['status'], { env: { TEDGE_CLOUD_CONNECTIONS: connections } });

    expect(stdout).toMatch(line);
    expect(exitCode).toBe(expected);
  });

  it('prints JSON for programs', async () => {
    await using site = await fakeSite();
    site.admin['device-registry'].routes.set('GET /v1/status', registryStatus);

    expect(JSON.parse((await site.run(['status', '--json'])).stdout)).toMatchObject({
      configDirectory: site.directory,
      services: expect.arrayContaining([{ service: 'agent', state: 'ready' }]),
    });
  });

  it('shows what it can when a service cannot answer a question', async () => {
    await using site = await fakeSite();
    const unable = () => {
      throw new Problem('unavailable', 'The store is away. Try again later.');
    };
    site.admin['pki-signer'].routes.set('GET /v1/ca', unable);
    site.admin['pki-signer'].routes.set('GET /readyz', () => ({ ready: false, faults: { store: 'is away' } }));
    site.admin['device-registry'].routes.set('GET /v1/status', unable);

    const { exitCode, stdout } = await site.run(['status']);

    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /^pki-signer +not ready: store is away; admin API says: The store is away\. Try again later\.$/m,
    );
    expect(stdout).toMatch(/^agent +ready$/m);
  });
});
