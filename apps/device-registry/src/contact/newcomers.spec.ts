import { createServer } from 'node:http';
import type { TestCa } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContactsUnderTest, contactWith } from './contact.fixture.js';

const day = 86_400;

describe('a device that comes to a connector for the first time', () => {
  let contacts: ContactsUnderTest;
  let ca: TestCa;
  beforeEach(async () => {
    contacts = await ContactsUnderTest.start();
    ca = await contacts.clientCa();
  });
  afterEach(() => contacts.stop());

  it('is not-expected, where devices do not register themselves and nobody allowed it', async () => {
    await contacts.change({ provisioning: { self: false } });
    expect(await contacts.arrive(ca, 'pump-17')).toBe('not-expected');
    await contacts.allow('pump-17', { tags: { hall: ['7'] } });
    expect(await contacts.arrive(ca, 'pump-17')).toBe('admitted as pump-17');
    expect((await contacts.registry.device('pump-17')).tags).toEqual({ hall: ['7'] });
    expect(await contacts.arrive(ca, 'pump-18')).toBe('not-expected');
  });

  it('is expected at one connector, when the allow list says so', async () => {
    await contacts.addConnector('other', ca);
    await contacts.change({ provisioning: { self: false } });
    await contacts.allow('pump-17', { connector: 'other' });
    expect(await contacts.arrive(ca, 'pump-17')).toBe('not-expected');
    expect(await contacts.arrive(ca, 'pump-17', { connector: 'other' })).toBe('admitted as pump-17');
  });

  it('is device-expired, when it did not come within its window', async () => {
    await contacts.change({ provisioning: { self: false } });
    await contacts.allow('pump-17');
    contacts.registry.clock.advance(2 * day);
    expect(await contacts.arrive(ca, 'pump-17')).toBe('device-expired');
    await contacts.allow('pump-17');
    expect(await contacts.arrive(ca, 'pump-17')).toBe('admitted as pump-17');
  });

  it('is certificate-not-pinned with another certificate than the one of the imported list', async () => {
    const listed = await contactWith(ca, { commonName: 'pump-17' });
    await contacts.importList(`ID, SSL Client Certificate\npump-17,${listed.connector?.certificate}\n`);
    expect(await contacts.arrive(ca, 'pump-17')).toBe('certificate-not-pinned');
    expect(await contacts.come(listed)).toBe('admitted as pump-17');
  });

  it('uses its place on the allow list up', async () => {
    await contacts.change({ provisioning: { self: false } });
    await contacts.allow('pump-17');
    await contacts.arrive(ca, 'pump-17');
    await contacts.delete('pump-17');
    await contacts.release('pump-17');
    expect(await contacts.arrive(ca, 'pump-17')).toBe('not-expected');
  });

  it('is device-deleted, when it was deleted: by its name, and by its certificate under any name', async () => {
    const request = await contactWith(ca, { commonName: 'pump-17' });
    await contacts.come(request);
    await contacts.delete('pump-17');
    expect(await contacts.come(request)).toBe('device-deleted');
    expect(await contacts.arrive(ca, 'pump-17')).toBe('device-deleted');
    await contacts.changeCa(ca, { naming: { by: 'template', template: 'new-{cn}' } });
    expect(await contacts.come(request)).toBe('device-deleted');
  });

  it('comes back after its deletion when an administrator released it, as a new device', async () => {
    const request = await contactWith(ca, { commonName: 'pump-17' });
    await contacts.come(request);
    await contacts.delete('pump-17');
    await contacts.release('pump-17');
    expect(await contacts.come(request)).toBe('admitted as pump-17');
    const types = await contacts.typesOf('pump-17', 4);
    expect(types).toEqual(['provisioned', 'deleted', 'released', 'provisioned']);
  });

  it.each(['agent', 'PKI-signer', 'operator', 'local-client'])(
    'is a name-conflict as %s, a name of this site',
    async (name) => {
      expect(await contacts.arrive(ca, name)).toBe('name-conflict');
    },
  );

  it('is a credential-mismatch with a certificate, where new devices get a token', async () => {
    const known = await contactWith(ca, { commonName: 'pump-17' });
    await contacts.come(known);
    await contacts.change({ provisioning: { auth: 'token' } });
    expect(await contacts.arrive(ca, 'pump-18')).toBe('credential-mismatch');
    expect(await contacts.come(known)).toBe('admitted as pump-17');
  });

  it('is issuer-stopped, when its Client CA brings no new devices; known ones go on', async () => {
    const known = await contactWith(ca, { commonName: 'pump-17' });
    await contacts.come(known);
    await contacts.changeCa(ca, { provision: false });
    expect(await contacts.arrive(ca, 'pump-18')).toBe('issuer-stopped');
    expect(await contacts.come(known)).toBe('admitted as pump-17');
  });

  it.each([
    ['192.0.2.7', 'admitted as pump-17'],
    ['::ffff:192.0.2.7', 'admitted as pump-17'],
    ['2001:db8::7', 'admitted as pump-17'],
    ['198.51.100.7', 'address-not-allowed'],
    ['2001:db9::7', 'address-not-allowed'],
    ['', 'address-not-allowed'],
  ])('from %j, where a network is named, is %s', async (remoteAddress, outcome) => {
    await contacts.change({ provisioning: { allowedNetworks: ['192.0.2.0/24', '2001:db8::/32'] } });
    expect(await contacts.arrive(ca, 'pump-17', { remoteAddress })).toBe(outcome);
  });

  it('may go on from any address once it is registered', async () => {
    await contacts.change({ provisioning: { allowedNetworks: ['192.0.2.0/24'] } });
    const request = await contactWith(ca, { commonName: 'pump-17' });
    await contacts.come(request);
    expect(await contacts.come({ ...request, remoteAddress: '198.51.100.7' })).toBe('admitted as pump-17');
  });

  it('gets in while there is room: of ten at once, as many as the quota of the connector says', async () => {
    await contacts.change({ quota: { devices: 3 } });
    const requests = await Promise.all(
      Array.from({ length: 10 }, (_, index) => contactWith(ca, { commonName: `pump-${index}` })),
    );
    const outcomes = await Promise.all(requests.map((request) => contacts.come(request)));
    expect(outcomes.filter((outcome) => outcome.startsWith('admitted'))).toHaveLength(3);
    expect(outcomes.filter((outcome) => outcome === 'quota-reached')).toHaveLength(7);
  });

  it('is quota-reached, when its Client CA has no room, and gets in after a deletion', async () => {
    const other = await contacts.clientCa();
    await contacts.changeCa(ca, { quota: 1 });
    expect(await contacts.arrive(ca, 'pump-17')).toBe('admitted as pump-17');
    expect(await contacts.arrive(ca, 'pump-18')).toBe('quota-reached');
    expect(await contacts.arrive(other, 'pump-19')).toBe('admitted as pump-19');
    await contacts.delete('pump-17');
    expect(await contacts.arrive(ca, 'pump-18')).toBe('admitted as pump-18');
  });

  it('is too-many-new-devices, when more come in a minute than the connector takes', async () => {
    await contacts.change({ quota: { newPerMinute: 2 } });
    for (const name of ['a', 'b']) expect(await contacts.arrive(ca, name)).toBe(`admitted as ${name}`);
    expect(await contacts.arrive(ca, 'c')).toBe('too-many-new-devices');
    contacts.registry.clock.advance(30);
    expect(await contacts.arrive(ca, 'c')).toBe('admitted as c');
  });

  it('waits for an administrator, where its Client CA needs approval', async () => {
    await contacts.changeCa(ca, { approval: 'manual' });
    const request = await contactWith(ca, { commonName: 'pump-17' });
    expect(await contacts.come(request)).toBe('device-pending-approval');
    expect(await contacts.come(request)).toBe('device-pending-approval');
    expect((await contacts.registry.device('pump-17')).state).toBe('pending-approval');
    await contacts.registry.change('pump-17', 'approve');
    expect(await contacts.come(request)).toBe('admitted as pump-17');
    expect(await contacts.typesOf('pump-17', 3)).toEqual(['provisioned', 'approval_requested', 'approved']);
  });
});

describe('a device that comes for the first time where a hook decides', () => {
  let contacts: ContactsUnderTest;
  let ca: TestCa;
  let answer: { readonly status: number; readonly body: string };
  let asked: string[];
  let url: string;
  const server = createServer((request, response) => {
    request.setEncoding('utf8');
    request.on('data', (text: string) => asked.push(text));
    request.on('end', () => response.writeHead(answer.status, { location: 'http://127.0.0.1:9/' }).end(answer.body));
  });
  beforeEach(async () => {
    asked = [];
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const place = server.address();
    const origin = `http://127.0.0.1:${typeof place === 'object' ? place?.port : 0}`;
    url = `${origin}/hook?key=secret-of-the-hook`;
    const origins = `${origin},http://127.0.0.1:1`;
    contacts = await ContactsUnderTest.start({ TEDGE_REGISTRY_WEBHOOK_ORIGINS: origins });
    ca = await contacts.clientCa();
    await contacts.change({ hook: { url } });
  });
  afterEach(async () => {
    await contacts.stop();
    await new Promise((resolve) => void server.close(resolve));
  });

  it.each([
    [200, '{"allow":true}', 'admitted as pump-17'],
    [200, '{"allow":false}', 'hook-refused'],
    [200, '{"allow":"true"}', 'hook-unavailable'],
    [200, 'yes', 'hook-unavailable'],
    [200, `{"allow":true,"x":"${'y'.repeat(5_000)}"}`, 'hook-unavailable'],
    [500, '{"allow":true}', 'hook-unavailable'],
    [302, '{"allow":true}', 'hook-unavailable'],
  ])('that answers %i %s, is %s', async (status, body, outcome) => {
    answer = { status, body };
    expect(await contacts.arrive(ca, 'pump-17')).toBe(outcome);
  });

  it('is asked about once, with its name, its address and its certificate', async () => {
    answer = { status: 200, body: '{"allow":true}' };
    const request = await contactWith(ca, { commonName: 'pump-17' });
    await Promise.all([contacts.come(request), contacts.come(request), contacts.come(request)]);
    await contacts.come(request);
    expect(asked.map((text) => JSON.parse(text))).toEqual([
      {
        connector: 'default',
        identity: 'pump-17',
        remoteAddress: '192.0.2.7',
        credential: 'certificate',
        certificate: request.connector?.certificate,
        fingerprint: request.fingerprint,
        clientCa: request.authorities[0],
      },
    ]);
  });

  it('that cannot be reached, is hook-unavailable', async () => {
    await contacts.change({ hook: { url: 'http://127.0.0.1:1/' } });
    expect(await contacts.arrive(ca, 'pump-17')).toBe('hook-unavailable');
  });

  it('is not asked about anywhere but where the operator lets hooks be', async () => {
    await expect(contacts.change({ hook: { url: 'http://169.254.169.254/latest/meta-data/' } })).rejects.toThrow(
      'sallyport config add registry.webhook.origins http://169.254.169.254',
    );
  });

  it('keeps the secret of the hook out of the audit log, and a user name out of its address', async () => {
    await contacts.change({ hook: { url: url.replace('secret-of-the-hook', 'other-secret') } });
    for await (const { key, value } of contacts.registry.store.listAll('audit/'))
      expect(`${key} ${JSON.stringify(value)}`).not.toMatch(/secret/);
    await expect(contacts.change({ hook: { url: url.replace('//', '//user:word@') } })).rejects.toThrow('user name');
  });
});
