import { enrolIdentity, renewIdentity } from '@sallyport/identity';
import { publishEvent, subscribeEvent } from '@sallyport/mqtt';
import {
  auditPage,
  auditVerdict,
  authorityExportResponse,
  certificateDescription,
  certificateIssued,
  certificateList,
  certificateRevoked,
  deviceChanged,
  type EventContract,
  enrolmentTokenList,
  enrolmentTokenResponse,
  entranceList,
  hierarchyDescription,
  introduceRegistry,
  readTrustBundle,
  revokeIdentities,
  type SiteId,
  signingResponse,
  trustBundle,
  trustBundleChanged,
} from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { certificatesFromPem, pemFromDer } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import type { z } from 'zod';
import { csrFor, id } from './device.fixture.js';
import { SignerUnderTest } from './service.fixture.js';

const tokenFor = async (signer: SignerUnderTest, deviceId: string) =>
  (await signer.call('POST', '/v1/enrollments', enrolmentTokenResponse, { deviceId })).token;

const urlOf = ({ entrance }: SignerUnderTest) => `https://localhost:${entrance.port}`;

const filesIn = ({ directory }: SignerUnderTest) => ({
  certPath: directory.file('child01.pem'),
  keyPath: directory.file('child01.key'),
  caPath: directory.file('child01.ca'),
});

const enrolled = async (signer: SignerUnderTest) => {
  const oneTimePassword = await tokenFor(signer, 'child01');
  return enrolIdentity({ files: filesIn(signer), deviceId: id('child01'), oneTimePassword, url: urlOf(signer) });
};

/** Collects what the signer announces from now on. */
const announced = async <Payload extends z.ZodType>({ other }: SignerUnderTest, event: EventContract<Payload>) => {
  const events: z.output<Payload>[] = [];
  await subscribeEvent(other.mqtt, event, async (payload) => void events.push(payload));
  return events;
};

describe('the signer as a service', () => {
  it('enrols a device with a token of the admin API, and announces the certificate', async () => {
    await using signer = await SignerUnderTest.start();
    const issued = await announced(signer, certificateIssued);
    const { fingerprint } = await enrolled(signer);
    await waitFor(() => issued.some((event) => event.fingerprint === fingerprint), { what: 'certificate-issued' });
    const { certificates } = await signer.call('GET', '/v1/certificates?deviceId=child01', certificateList);
    expect(certificates.map((one) => [one.fingerprint, one.state, one.issuer])).toEqual([
      [fingerprint, 'valid', 'device-1'],
    ]);
    const { enrollments } = await signer.call('GET', '/v1/enrollments', enrolmentTokenList);
    expect(enrollments.find(({ deviceId }) => deviceId === 'child01')).toMatchObject({ state: 'used', fingerprint });
  });

  it('renews over its own entrance with the certificate alone', async () => {
    await using signer = await SignerUnderTest.start();
    const first = await enrolled(signer);
    const second = await renewIdentity({ files: filesIn(signer), url: urlOf(signer), newKey: true });
    expect(second.subject.der).toEqual(first.subject.der);
    expect(second.fingerprint).not.toBe(first.fingerprint);
  });

  it('takes the certificates of a device back when the registry announces that it is revoked', async () => {
    await using signer = await SignerUnderTest.start();
    const revoked = await announced(signer, certificateRevoked);
    const { fingerprint } = await enrolled(signer);
    const changedAt = new Date().toISOString();
    const change = { deviceId: 'child01', state: 'revoked' as const, fingerprints: [fingerprint], changedAt };
    await publishEvent(signer.other.mqtt, deviceChanged, change);
    await waitFor(() => revoked.some((event) => event.fingerprint === fingerprint), { what: 'certificate-revoked' });
    const shown = await signer.call('GET', `/v1/certificates/${fingerprint}`, certificateDescription);
    expect(shown).toMatchObject({ state: 'revoked', revocation: { reason: 'privilegeWithdrawn' } });
  });

  it('revokes what a device has when the registry says that it was given up', async () => {
    await using signer = await SignerUnderTest.start();
    const { fingerprint } = await enrolled(signer);
    const request = { deviceId: id('child01'), releasedAt: new Date().toISOString(), actor: 'device:child01' };
    expect(await signer.other.rpc.call(revokeIdentities, request)).toEqual({ revoked: 1 });
    expect(await signer.other.rpc.call(revokeIdentities, request)).toEqual({ revoked: 0 });
    const shown = await signer.call('GET', `/v1/certificates/${fingerprint}`, certificateDescription);
    expect(shown).toMatchObject({ state: 'revoked', revocation: { reason: 'cessationOfOperation' } });
  });

  it('revokes by fingerprint and by serial number', async () => {
    await using signer = await SignerUnderTest.start();
    const first = await enrolled(signer);
    const body = { reason: 'keyCompromise' };
    const path = `/v1/certificates/${first.serialNumber}/revoke`;
    expect(await signer.call('POST', path, certificateDescription, body)).toMatchObject({
      fingerprint: first.fingerprint,
      state: 'revoked',
      revocation: body,
    });
    const again = `/v1/certificates/${first.fingerprint}/revoke`;
    expect((await signer.call('POST', again, certificateDescription, {})).revocation?.reason).toBe('keyCompromise');
  });

  it('signs the CSR of an administrator', async () => {
    await using signer = await SignerUnderTest.start();
    const csr = pemFromDer('CERTIFICATE REQUEST', csrFor('alice'));
    const { chain } = await signer.call('POST', '/v1/certificates', signingResponse, {
      csr,
      name: 'alice',
      profile: 'admin',
    });
    const [leaf, issuer] = certificatesFromPem(chain);
    expect(leaf?.subjectAltNames).toEqual([{ type: 'uri', value: 'spiffe://sallyport.local/admin/alice' }]);
    expect(issuer?.subject.text).toBe('CN=Sallyport Service Issuing G1,O=Sallyport');
  });

  it('tells other services which CAs there are', async () => {
    await using signer = await SignerUnderTest.start();
    const { certificates } = await signer.other.rpc.call(readTrustBundle, {});
    expect(certificates.map(({ role }) => role).toSorted()).toEqual(['issuing', 'issuing', 'root']);
  });

  it('rotates a CA, announces the new trust bundle, and changes its ETag', async () => {
    await using signer = await SignerUnderTest.start();
    const changes = await announced(signer, trustBundleChanged);
    const { headers } = await signer.send('GET', '/v1/trust-bundle');
    const etag = String(headers.etag);
    expect((await signer.send('GET', '/v1/trust-bundle', undefined, { 'if-none-match': etag })).status).toBe(304);
    const { authorities, trustBundleVersion } = await signer.call('POST', '/v1/ca/rotate', hierarchyDescription, {
      purpose: 'device',
    });
    expect(authorities.find(({ purpose, state }) => purpose === 'device' && state === 'active')?.id).toBe('device-2');
    const after = await signer.send('GET', '/v1/trust-bundle', undefined, { 'if-none-match': etag });
    expect([after.status, trustBundle.parse(after.body).version]).toEqual([200, trustBundleVersion]);
    await waitFor(() => changes.some(({ version }) => version === trustBundleVersion), {
      what: 'trust-bundle-changed',
    });
  });

  it('exports certificates freely and a key only with a passphrase', async () => {
    await using signer = await SignerUnderTest.start();
    const path = '/v1/ca/export';
    const open = await signer.call('POST', path, authorityExportResponse, { id: 'root-1' });
    expect(open.pkcs12).toBeUndefined();
    const sealed = { id: 'root-1', passphrase: 'correct horse battery' };
    expect((await signer.call('POST', path, authorityExportResponse, sealed)).pkcs12).toBeDefined();
    expect((await signer.send('POST', path, { id: 'root-1', passphrase: 'short' })).status).toBe(400);
  });

  it('tells the device registry which site this is, and remembers that it was a part of it', async () => {
    await using signer = await SignerUnderTest.start();
    const introduce = (request: { siteId?: SiteId }) => signer.other.rpc.call(introduceRegistry, request);
    const { site, wasKnown } = await introduce({});
    expect([site.siteId.length, wasKnown]).toEqual([32, false]);
    expect((await introduce({ siteId: site.siteId })).wasKnown).toBe(false);
    expect(await introduce({})).toEqual({ site, wasKnown: true });
  });

  it('withdraws a token', async () => {
    await using signer = await SignerUnderTest.start();
    await tokenFor(signer, 'child05');
    expect((await signer.send('DELETE', '/v1/enrollments/child05')).status).toBe(204);
    expect((await signer.send('DELETE', '/v1/enrollments/child05')).status).toBe(404);
  });

  it('answers 400 to everything that breaks its schema, and says what', async () => {
    await using signer = await SignerUnderTest.start();
    const requests = [
      ['POST', '/v1/enrollments', { deviceId: '../etc' }],
      ['POST', '/v1/enrollments', { deviceId: 'child01', validitySeconds: 1 }],
      ['POST', '/v1/enrollments', {}],
      ['POST', '/v1/ca/rotate', { purpose: 'hub' }],
      ['POST', '/v1/ca/import', { purpose: 'root', bundle: 'bm90aGluZw==' }],
      ['POST', '/v1/certificates', { csr: 'nothing', name: 'alice', profile: 'admin' }],
      ['POST', '/v1/certificates', { csr: 'nothing', name: 'alice', profile: 'server' }],
      ['GET', '/v1/certificates?limit=0', undefined],
      ['GET', '/v1/certificates?expiresBefore=tomorrow', undefined],
    ] as const;
    for (const [method, path, body] of requests)
      expect(await signer.send(method, path, body)).toMatchObject({
        status: 400,
        body: { status: 400, detail: expect.any(String) },
      });
  });

  it('names in the audit log the user behind an admin request', async () => {
    await using signer = await SignerUnderTest.start();
    const headers = { 'sallyport-actor': 'alice' };
    await signer.send('POST', '/v1/enrollments', { deviceId: 'child01' }, headers);
    await signer.send('DELETE', '/v1/enrollments/child01');
    const { rows } = await signer.call('GET', '/v1/audit?limit=1000', auditPage);
    expect(rows.slice(-2)).toMatchObject([
      { action: 'enrolment-created', actor: 'local-admin:alice', subject: 'child01' },
      { action: 'enrolment-withdrawn', actor: 'local-admin', subject: 'child01' },
    ]);
    expect(await signer.call('GET', '/v1/audit/verify', auditVerdict)).toMatchObject({ intact: true });
  });

  it('does nothing for a user whose name cannot stand in the audit log', async () => {
    await using signer = await SignerUnderTest.start();
    const headers = { 'sallyport-actor': 'alice for root' };
    const refused = await signer.send('POST', '/v1/enrollments', { deviceId: 'child01' }, headers);
    expect(refused).toMatchObject({ status: 400, body: { type: 'urn:sallyport:problem:invalid-request' } });
    expect(await signer.call('GET', '/v1/enrollments', enrolmentTokenList)).toEqual({ enrollments: [] });
  });

  it('has one audit log without a break', async () => {
    await using signer = await SignerUnderTest.start();
    await enrolled(signer);
    expect(await signer.call('GET', '/v1/audit/verify', auditVerdict)).toMatchObject({ intact: true });
  });

  it('logs neither tokens nor keys', async () => {
    await using signer = await SignerUnderTest.start();
    const token = await tokenFor(signer, 'child01');
    const files = filesIn(signer);
    await enrolIdentity({ files, deviceId: id('child01'), oneTimePassword: token, url: urlOf(signer) });
    const everything = signer.logged.join('\n');
    expect(everything).not.toContain(token.split('.')[0]);
    expect(everything).not.toMatch(/PRIVATE KEY/);
  });

  it('counts what it does, and says that it is ready', async () => {
    await using signer = await SignerUnderTest.start();
    await enrolled(signer);
    expect((await signer.send('GET', '/readyz')).status).toBe(200);
    const metrics = await signer.text('/metrics');
    for (const line of [
      'pki_issued_total{profile="device",provisioner="token",key="ec"} 1',
      'pki_est_requests_total{op="simpleenroll",code="200",ua="none"} 1',
      'pki_crl_entries{ca="device-1"} 0',
    ])
      expect(metrics).toContain(line);
    for (const name of ['pki_issue_seconds', 'pki_crl_age_seconds', 'pki_crl_size_bytes', 'pki_ca_not_after_seconds'])
      expect(metrics).toContain(name);
  });

  it('hands out CRLs at an entrance that counts as every other, and has no level', async () => {
    await using signer = await SignerUnderTest.start();
    const { authorities } = await signer.call('GET', '/v1/ca', hierarchyDescription);
    const keyId = authorities.find(({ id: ca }) => ca === 'device-1')?.keyId;
    const response = await fetch(`http://127.0.0.1:${signer.portOf('pki.public')}/crl/${keyId}.crl`);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/pkix-crl']);
    expect(await signer.text('/metrics')).toMatch(
      /^sallyport_entrance_events_total\{entrance="pki\.public",event="established"\} 1$/m,
    );
    const { entrances } = await signer.call('GET', '/v1/entrance', entranceList);
    expect(entrances.map(({ group }) => group)).toEqual(['pki', 'pki.coap']);
  });

  it('works on after a restart, with the same CA and the same server certificate', async () => {
    await using signer = await SignerUnderTest.start();
    await enrolled(signer);
    const before = await signer.call('GET', '/v1/ca', hierarchyDescription);
    const { fingerprint } = signer.entrance;
    await signer.stopService();
    await signer.startService();
    expect(await signer.call('GET', '/v1/ca', hierarchyDescription)).toEqual(before);
    expect(signer.entrance.fingerprint).toBe(fingerprint);
    await renewIdentity({ files: filesIn(signer), url: urlOf(signer), newKey: false });
  });
});

describe('a signer that was off for long', () => {
  const years = 365 * 86_400_000;
  const startedAgain = async (signer: SignerUnderTest, laterYears: number) => {
    await signer.stopService();
    signer.aheadMs = laterYears * years;
    await signer.startService();
  };
  const statesOf = async (signer: SignerUnderTest) => {
    const { authorities } = await signer.call('GET', '/v1/ca', hierarchyDescription);
    return Object.fromEntries(authorities.map(({ id, state }) => [id, state]));
  };

  it('starts after the end of its issuing CAs and of its own certificate, and replaces them', async () => {
    await using signer = await SignerUnderTest.start();
    await startedAgain(signer, 6);
    expect(await statesOf(signer)).toMatchObject({ 'device-2': 'active', 'service-2': 'active', 'root-1': 'active' });
    expect(signer.entrance.isOpen).toBe(true);
    expect((await signer.send('GET', '/readyz')).status).toBe(200);
    const { certificates } = await signer.call('GET', '/v1/certificates?deviceId=pki-signer', certificateList);
    expect(certificates.filter(({ state }) => state === 'valid').map(({ issuer }) => issuer)).toEqual(['service-2']);
  });

  it('starts after the end of its root, issues nothing, says what to do, and issues when that is done', async () => {
    await using signer = await SignerUnderTest.start();
    await startedAgain(signer, 21);
    expect(await statesOf(signer)).toEqual({ 'root-1': 'active', 'device-1': 'active', 'service-1': 'active' });
    const { status, body } = await signer.send('GET', '/readyz');
    expect(status).toBe(503);
    expect(JSON.stringify(body)).toMatch(/The root ..root-1.. ended .*sallyport ca rotate --purpose root/);
    const rotation = await signer.send('POST', '/v1/ca/rotate', { purpose: 'device' });
    expect([rotation.status, JSON.stringify(rotation.body)]).toEqual([
      503,
      expect.stringContaining('Nothing was signed'),
    ]);
    const { certificates } = await signer.call('GET', '/v1/certificates?deviceId=pki-signer', certificateList);
    expect(certificates).toHaveLength(1);
    expect(await signer.text('/metrics')).toMatch(/crl_entries\{ca="device-1"/);
    expect((await signer.send('POST', '/v1/ca/rotate', { purpose: 'root' })).status).toBe(200);
    expect((await signer.send('GET', '/readyz')).status).toBe(200);
    expect(await statesOf(signer)).toMatchObject({ 'root-2': 'active', 'device-2': 'active', 'service-2': 'active' });
  });
});
