import { Agent, request } from 'node:https';
import { auditPage, deviceList } from '@sallyport/protocol';
import { TestCa, type TestCertificate, waitFor } from '@sallyport/testkit';
import { OidcProvider } from '@sallyport/testkit/oidc-provider';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { peer, RegistryUnderTest } from './registry.fixture.js';

// Good for the clock of the machine, which OpenSSL looks at, and for the one of the registry under test.
const dates = { notBefore: new Date('2020-01-01T00:00:00Z'), notAfter: new Date('2049-01-01T00:00:00Z') };

describe('admin API on the network', () => {
  let site: TestCa;
  let issuing: TestCa;
  let server: TestCertificate;
  let registry: RegistryUnderTest;

  beforeEach(async () => {
    site = await TestCa.create(dates);
    issuing = await site.intermediate(dates);
    server = await issuing.issue({ commonName: 'device-registry', subjectAltNames: ['DNS:localhost'], ...dates });
  });
  afterEach(async () => {
    await registry.stop();
    await site[Symbol.asyncDispose]();
  });

  const start = async (settings: Readonly<Record<string, string>>) => {
    registry = await RegistryUnderTest.start({ TEDGE_REGISTRY_BIND_PORT: '0', ...settings });
    await registry.trustSite(issuing.certPem + site.certPem);
  };
  const mutual = () => ({
    TEDGE_REGISTRY_CERT_PATH: server.chainPath,
    TEDGE_REGISTRY_KEY_PATH: server.keyPath,
    TEDGE_REGISTRY_CA_PATH: site.certPath,
  });
  const certificateOf = (kind: 'device' | 'admin', name: string) =>
    issuing.issue({ commonName: name, subjectAltNames: [`URI:spiffe://sallyport.local/${kind}/${name}`], ...dates });

  const send = (
    method: string,
    path: string,
    { chainPem, keyPem }: TestCertificate,
    { agent = false, headers = {} }: { agent?: Agent | false; headers?: Readonly<Record<string, string>> } = {},
  ) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      const { port } = registry.remoteAdmin;
      const tls = { ca: [site.certPem], cert: chainPem, key: keyPem, servername: 'localhost' };
      const call = request({ host: 'localhost', port, path, method, agent, headers, ...tls }, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => {
          body += chunk.toString();
        });
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
        response.once('error', reject);
      });
      call.once('error', reject);
      call.end();
    });

  const lock = '/v1/devices/child01/lock';
  const takeover = '/v1/takeovers';

  it.each([
    ['viewer', [200, 403, 403]],
    ['operator', [200, 200, 403]],
    ['admin', [200, 200, 400]],
  ] as const)('lets an administrator with the role %s do what that role may', async (role, statuses) => {
    const names = role === 'admin' ? {} : { [`TEDGE_ADMIN_${role.toUpperCase()}S`]: 'alice' };
    await start({ ...mutual(), ...names });
    const alice = await certificateOf('admin', 'alice');
    await registry.admit(peer());
    const list = await send('GET', '/v1/devices', alice);
    const answers = [list, await send('POST', lock, alice), await send('POST', takeover, alice)];
    expect(answers.map(({ status }) => status)).toEqual(statuses);
  });

  it('tells an administrator which role is missing', async () => {
    await start({ ...mutual(), TEDGE_ADMIN_ROLE: 'viewer' });
    await registry.admit(peer());
    const { body } = await send('POST', lock, await certificateOf('admin', 'alice'));
    expect(JSON.parse(body).detail).toContain('This needs the role operator, and "alice" has the role viewer here.');
  });

  describe('with the token of a person', () => {
    const withToken = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
    let provider: OidcProvider;

    beforeEach(async () => {
      provider = await OidcProvider.start();
      await start({ ...mutual(), TEDGE_ADMIN_OIDC_ISSUER: provider.issuer });
      await registry.admit(peer());
    });
    afterEach(() => provider.stop());

    it.each([
      ['sallyport-viewer', 403],
      ['sallyport-operator', 200],
      ['sallyport-admin', 200],
      ['admin', 401],
    ])('gives a program no more rights than the person has with %s', async (role, status) => {
      const token = await provider.tokenFor({ roles: ['somebody', role] });
      const answer = await send('POST', lock, await certificateOf('admin', 'console'), withToken(token));
      expect(answer.status).toBe(status);
    });

    it('tells that the person, and not the program, lacks the role', async () => {
      const token = await provider.tokenFor({ roles: ['sallyport-viewer'] });
      const { body } = await send('POST', lock, await certificateOf('admin', 'console'), withToken(token));
      expect(JSON.parse(body).detail).toContain('and the token gives the role viewer.');
    });

    it('writes down for whom the program acts, whatever its header says', async () => {
      const { headers } = withToken(await provider.tokenFor({ roles: 'sallyport-operator' }));
      const forged = { headers: { ...headers, 'sallyport-actor': 'bob' } };
      expect((await send('POST', lock, await certificateOf('admin', 'console'), forged)).status).toBe(200);
      const { rows } = await registry.get('/v1/audit', auditPage);
      expect(rows.at(-1)).toMatchObject({ action: 'device-locked', actor: 'admin:console for the-person' });
    });

    it('takes tokens signed with a new key of the provider', async () => {
      const console = await certificateOf('admin', 'console');
      const token = await provider.tokenFor({ roles: ['sallyport-viewer'] });
      expect((await send('GET', '/v1/devices', console, withToken(token))).status).toBe(200);
      await provider.changeKey();
      const next = await provider.tokenFor({ roles: ['sallyport-viewer'] });
      await waitFor(async () => (await send('GET', '/v1/devices', console, withToken(next))).status === 200);
    });

    it.each([
      ['for another service', { audience: 'billing' }],
      ['that has expired', { expiresIn: -60 }],
      ['of another issuer', { issuer: 'https://elsewhere.example' }],
      ['without a signature', { algorithm: 'none' as const }],
      ['signed with the public key as a secret', { algorithm: 'HS256' as const }],
      ['signed with another key', { isForeign: true }],
    ])('is refused a token %s', async (_case, flaw) => {
      const token = await provider.forge({ roles: ['sallyport-admin'] }, flaw);
      const answer = await send('GET', '/v1/devices', await certificateOf('admin', 'console'), withToken(token));
      expect(answer.status).toBe(401);
    });
  });

  it('takes no token while no provider is set', async () => {
    await start(mutual());
    const headers = { authorization: 'Bearer abc.def.ghi' };
    expect((await send('GET', '/v1/devices', await certificateOf('admin', 'alice'), { headers })).status).toBe(401);
  });

  it('stays shut until its settings ask for client certificates', async () => {
    await start({});
    expect(registry.remoteAdmin.isOpen).toBe(false);
  });

  it('serves an administrator, and writes the name down', async () => {
    await start(mutual());
    const alice = await certificateOf('admin', 'alice');
    await registry.admit(peer());
    const list = await send('GET', '/v1/devices', alice);
    expect(list.status).toBe(200);
    expect(deviceList.parse(JSON.parse(list.body)).devices.map(({ deviceId }) => deviceId)).toEqual([
      'alice',
      'child01',
    ]);
    expect((await send('POST', '/v1/devices/child01/lock', alice)).status).toBe(200);
    const { rows } = await registry.get('/v1/audit', auditPage);
    expect(rows.at(-1)).toMatchObject({ action: 'device-locked', actor: 'admin:alice', subject: 'child01' });
  });

  it('writes down for whom an administrator acts, beside the name that was proved', async () => {
    await start(mutual());
    const headers = { 'sallyport-actor': 'bob' };
    await registry.admit(peer());
    const path = '/v1/devices/child01/lock';
    expect((await send('POST', path, await certificateOf('admin', 'alice'), { headers })).status).toBe(200);
    const { rows } = await registry.get('/v1/audit', auditPage);
    expect(rows.at(-1)).toMatchObject({ action: 'device-locked', actor: 'admin:alice for bob' });
  });

  it.each(['lock', 'revoke'])(
    'ends the connection of an administrator after "%s", and takes no new one',
    async (action) => {
      await start(mutual());
      const alice = await certificateOf('admin', 'alice');
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      expect((await send('GET', '/v1/devices', alice, { agent })).status).toBe(200);

      await registry.change('alice', action);

      await waitFor(() => Object.keys(agent.freeSockets).length === 0);
      expect((await send('GET', '/v1/devices', alice)).status).toBe(403);
      agent.destroy();
    },
  );

  it('takes no order from a page in the browser of an administrator', async () => {
    await start(mutual());
    const alice = await certificateOf('admin', 'alice');
    await registry.admit(peer());

    const refused = [403, 'This API takes no requests from web pages. Use the command line: sallyport device.'];
    // A page that sends a form, one that shows an image, and an address that somebody typed.
    const [form, image] = [
      { origin: 'https://elsewhere.example' },
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
    ];
    for (const [method, path, headers] of [
      ['POST', '/v1/devices/child01/revoke', form],
      ['GET', '/v1/devices', image],
      ['GET', '/v1/devices', { 'sec-fetch-mode': 'navigate' }],
    ] as const) {
      const { status, body } = await send(method, path, alice, { headers });
      expect([status, JSON.parse(body).detail]).toEqual(refused);
    }
    expect((await registry.device('child01')).state).toBe('active');
  });

  it('serves no name that is not its own, so that no other site can lead a browser here', async () => {
    const names = ['DNS:localhost', 'DNS:gateway.example', 'DNS:*.plant.example'];
    server = await issuing.issue({ commonName: 'device-registry', subjectAltNames: names, ...dates });
    await start(mutual());
    const alice = await certificateOf('admin', 'alice');
    const ask = (host: string) => send('GET', '/v1/devices', alice, { headers: { host } });
    for (const host of ['localhost:8003', '192.0.2.7:8003', '[::1]', 'Gateway.example', 'hall1.plant.example:8003'])
      expect([host, (await ask(host)).status]).toEqual([host, 200]);
    for (const host of ['elsewhere.example:8003', 'gateway.example.elsewhere.example', 'a.hall1.plant.example']) {
      const { status, body } = await ask(host);
      expect([host, status]).toEqual([host, 403]);
      expect(JSON.parse(body).detail).toContain('has this name');
    }
  });

  it('turns a device away, and writes that down', async () => {
    await start(mutual());
    expect((await send('GET', '/v1/devices', await certificateOf('device', 'child01'))).status).toBe(403);
    const row = await waitFor(async () => (await registry.get('/v1/audit', auditPage)).rows.at(-1));
    expect(row).toMatchObject({
      action: 'peer-refused',
      actor: 'entrance:registry',
      details: { reason: 'not-permitted' },
    });
  });
});
