import { certificateIssued } from '@sallyport/protocol';
import { buildCertificateRequest, parseCertificate, verifySignedBy } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { csrFor, enrolmentOf, id, newKey, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';

const stateOf = async ({ signer }: TestSite, name: string) =>
  (await signer.tokens.list({ limit: 100 })).enrollments.find(({ deviceId }) => deviceId === name)?.state;

const auditOf = async ({ signer }: TestSite, action: string) =>
  (await signer.audit.rows(0, 1000)).rows.filter((record) => record.action === action);

describe('enrolment with a one-time token', () => {
  it('issues a leaf for the name the token is for, signed by the device CA', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const record = await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    const leaf = parseCertificate(Buffer.from(record.certificate, 'base64'));
    expect(leaf.subject.text).toBe('CN=child01,O=Test Site');
    expect(leaf.subjectAltNames).toEqual([{ type: 'uri', value: 'spiffe://sallyport.local/device/child01' }]);
    expect(verifySignedBy(leaf, site.signer.hierarchy.signing('device').certificate)).toBe(true);
  });

  it('issues a leaf that ends when the profile says, to the second', async () => {
    await using site = await openTestSite({ deviceValiditySeconds: 3600 });
    const token = await site.token({ deviceId: 'child01' });
    const { notAfter } = await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    const second = Math.floor(site.clock.now().getTime() / 1000);
    expect(Date.parse(notAfter)).toBe((second + 3600) * 1000);
  });

  it('asks the device registry before it signs', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01', reinstate: true });
    await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    expect(site.registry.questions).toEqual([{ deviceId: id('child01'), kind: 'device', reinstate: true }]);
  });

  it('takes the bare secret as well as the whole token', async () => {
    await using site = await openTestSite();
    const [secret = ''] = (await site.token({ deviceId: 'child01' })).split('.');
    await site.signer.enrolment.enrol(enrolmentOf('child01', secret));
    expect(await stateOf(site, 'child01')).toBe('used');
  });

  it('announces the certificate in the transaction that stores it', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const { fingerprint, serialNumber } = await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    const { entries } = await site.store.list('outbox/');
    const announced = entries.map(({ value }) => value);
    expect(announced).toContainEqual({
      topic: 'sallyport/v1/event/certificate-issued',
      payload: expect.objectContaining({ fingerprint, serialNumber, deviceId: 'child01', reinstate: false }),
    });
    const event = announced.at(-1);
    expect(certificateIssued.payload.safeParse(Object(event).payload).success).toBe(true);
  });

  it('writes the audit log before and after the signature', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const { serialNumber, fingerprint } = await site.signer.enrolment.enrol(enrolmentOf('child01', token));
    const intended = (await auditOf(site, 'certificate-intended')).at(-1);
    const issued = (await auditOf(site, 'certificate-issued')).at(-1);
    expect(intended?.details).toMatchObject({ serialNumber, issuer: 'device-1' });
    expect(issued?.details).toMatchObject({ serialNumber, fingerprint });
    expect(issued?.actor).toBe('device:child01@127.0.0.1');
    expect(Number(issued?.sequence)).toBe(Number(intended?.sequence) + 1);
  });
});

describe('a token for a service', () => {
  it('lets the certificate carry the names it lists and no others', async () => {
    await using site = await openTestSite();
    const subjectAltNames = [{ type: 'dns' as const, value: 'Agent.local' }];
    const token = await site.token({ deviceId: 'agent', profile: 'service', subjectAltNames });
    const greedy = csrFor('agent', newKey(), [{ type: 'dns', value: 'cloud.local' }]);
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('agent', token, greedy)))).status).toBe(403);
    const fair = csrFor('agent', newKey(), [{ type: 'dns', value: 'agent.local' }]);
    const record = await site.signer.enrolment.enrol(enrolmentOf('agent', token, fair));
    expect(record.issuer).toBe('service-1');
    const leaf = parseCertificate(Buffer.from(record.certificate, 'base64'));
    expect(leaf.extendedKeyUsages).toEqual(['serverAuth', 'clientAuth']);
    expect(leaf.subjectAltNames).toEqual([
      { type: 'uri', value: 'spiffe://sallyport.local/service/agent' },
      { type: 'dns', value: 'agent.local' },
    ]);
  });
});

describe('an address in a token', () => {
  it.each(['2001:DB8:0::0001', '2001:db8::1'])('may be spelled as %s', async (value) => {
    await using site = await openTestSite();
    const subjectAltNames = [{ type: 'ip' as const, value }];
    const token = await site.token({ deviceId: 'agent', profile: 'service', subjectAltNames });
    const csr = csrFor('agent', newKey(), [{ type: 'ip', value: '2001:db8::1' }]);
    expect((await site.signer.enrolment.enrol(enrolmentOf('agent', token, csr))).deviceId).toBe('agent');
  });

  it('with a zone permits no address', async () => {
    await using site = await openTestSite();
    const subjectAltNames = [{ type: 'ip' as const, value: 'fe80::1%eth0' }];
    const token = await site.token({ deviceId: 'agent', profile: 'service', subjectAltNames });
    const csr = csrFor('agent', newKey(), [{ type: 'ip', value: 'fe80::1' }]);
    expect((await problemOf(site.signer.enrolment.enrol(enrolmentOf('agent', token, csr)))).status).toBe(403);
  });
});

describe('a challengePassword', () => {
  const binding = Buffer.from('tls-unique').toString('base64');
  const challenged = () =>
    buildCertificateRequest({ privateKey: newKey(), commonName: 'child01', challengePassword: binding });

  it('ties a CSR to its connection', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const request = { ...enrolmentOf('child01', token, challenged()), channelBindings: () => [binding] };
    expect((await site.signer.enrolment.enrol(request)).deviceId).toBe('child01');
  });

  it('of another connection is refused', async () => {
    await using site = await openTestSite();
    const token = await site.token({ deviceId: 'child01' });
    const request = { ...enrolmentOf('child01', token, challenged()), channelBindings: () => ['AAAA'] };
    expect((await problemOf(site.signer.enrolment.enrol(request))).status).toBe(403);
  });
});
