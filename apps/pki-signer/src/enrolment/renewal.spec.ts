import { buildCertificateRequest, parseCertificate } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import type { CertificateRecord } from '../inventory/certificate-record.js';
import { csrFor, enrolmentOf, newKey, openTestSite, problemOf, type TestSite } from '../signer.fixture.js';

const renewalOf = ({ fingerprint, deviceId }: CertificateRecord, csr = csrFor(deviceId)) => ({
  fingerprint,
  deviceId,
  csr,
  channelBindings: () => [],
  remoteAddress: '127.0.0.1',
});

const enrolled = async (site: TestSite, csr = csrFor('child01')) =>
  site.signer.enrolment.enrol(enrolmentOf('child01', await site.token({ deviceId: 'child01' }), csr));

const leafOf = ({ certificate }: CertificateRecord) => parseCertificate(Buffer.from(certificate, 'base64'));

describe('renewal with the certificate itself', () => {
  it('gives a new certificate of the same names, and the old one stays good', async () => {
    await using site = await openTestSite();
    const old = await enrolled(site);
    const renewed = await site.signer.renewal.renew(renewalOf(old));
    expect(renewed.renews).toBe(old.fingerprint);
    expect(leafOf(renewed).subject.der).toEqual(leafOf(old).subject.der);
    expect(leafOf(renewed).subjectAltNames).toEqual(leafOf(old).subjectAltNames);
    expect((await site.signer.inventory.get(old.fingerprint))?.record.revocation).toBeUndefined();
  });

  it('takes the same key as well as a new one', async () => {
    await using site = await openTestSite();
    const key = newKey();
    const old = await enrolled(site, csrFor('child01', key));
    const renewed = await site.signer.renewal.renew(renewalOf(old, csrFor('child01', key)));
    expect(leafOf(renewed).spki).toEqual(leafOf(old).spki);
    const rekeyed = await site.signer.renewal.renew(renewalOf(renewed));
    expect(leafOf(rekeyed).spki).not.toEqual(leafOf(old).spki);
  });

  it('gives the same certificate again to the same request within ten minutes', async () => {
    await using site = await openTestSite();
    const request = renewalOf(await enrolled(site));
    const first = await site.signer.renewal.renew(request);
    expect((await site.signer.renewal.renew(request)).fingerprint).toBe(first.fingerprint);
  });

  it('gives a device 60 certificates at once, and then one a minute', async () => {
    await using site = await openTestSite();
    const old = await enrolled(site);
    const renew = () => site.signer.renewal.renew(renewalOf(old));
    await Promise.all(Array.from({ length: 60 }, renew));
    site.clock.advance(59);
    expect(await problemOf(renew())).toMatchObject({ type: 'rate-limited' });
    site.clock.advance(1);
    expect((await renew()).renews).toBe(old.fingerprint);
  });

  it('gives one certificate to a request sent twenty times at once', async () => {
    await using site = await openTestSite();
    const request = renewalOf(await enrolled(site));
    const renewed = await Promise.all(Array.from({ length: 20 }, () => site.signer.renewal.renew(request)));
    expect(new Set(renewed.map(({ fingerprint }) => fingerprint)).size).toBe(1);
  });

  it('keeps the names of a service that leaves them out of the CSR', async () => {
    await using site = await openTestSite();
    const names = [{ type: 'dns' as const, value: 'agent.local' }];
    const token = await site.token({ deviceId: 'agent', profile: 'service', subjectAltNames: names });
    const old = await site.signer.enrolment.enrol(enrolmentOf('agent', token, csrFor('agent', newKey(), names)));
    const renewed = await site.signer.renewal.renew(renewalOf(old));
    expect(leafOf(renewed).subjectAltNames).toEqual([
      { type: 'uri', value: 'spiffe://sallyport.local/service/agent' },
      { type: 'dns', value: 'agent.local' },
    ]);
  });

  it.each([
    ['the name it asked for at first', [{ type: 'dns' as const, value: 'agent.local' }]],
    [
      'the names the certificate has',
      [
        { type: 'uri' as const, value: 'spiffe://sallyport.local/service/agent' },
        { type: 'dns' as const, value: 'agent.local' },
      ],
    ],
  ])('keeps the names of a service that asks for %s', async (_case, asked) => {
    await using site = await openTestSite();
    const names = [{ type: 'dns' as const, value: 'agent.local' }];
    const token = await site.token({ deviceId: 'agent', profile: 'service', subjectAltNames: names });
    const old = await site.signer.enrolment.enrol(enrolmentOf('agent', token, csrFor('agent', newKey(), names)));
    const renewed = await site.signer.renewal.renew(renewalOf(old, csrFor('agent', newKey(), asked)));
    expect(leafOf(renewed).subjectAltNames).toEqual(leafOf(old).subjectAltNames);
  });

  it('understands a client that asks again for the subject it asked for at first', async () => {
    await using site = await openTestSite();
    const names = { commonName: 'child01', organization: 'Thin Edge', organizationalUnit: 'Device' };
    const thinEdgeCsr = () => buildCertificateRequest({ privateKey: newKey(), ...names });
    const old = await enrolled(site, thinEdgeCsr());
    const renewed = await site.signer.renewal.renew(renewalOf(old, thinEdgeCsr()));
    const again = await site.signer.renewal.renew(renewalOf(renewed, thinEdgeCsr()));
    expect(leafOf(again).subject.text).toBe('CN=child01,O=Test Site');
  });

  it.each([
    ['another common name', { commonName: 'child02' }],
    ['another organization', { commonName: 'child01', organization: 'Elsewhere' }],
    ['a name more', { commonName: 'child01', subjectAltNames: [{ type: 'dns' as const, value: 'child01' }] }],
  ])('refuses %s', async (_case, names) => {
    await using site = await openTestSite();
    const old = await enrolled(site);
    const csr = buildCertificateRequest({ privateKey: newKey(), ...names });
    const problem = await problemOf(site.signer.renewal.renew(renewalOf(old, csr)));
    expect([problem.type, problem.status]).toEqual(['csr-forbidden', 403]);
    const { rows: records } = await site.signer.audit.rows(0, 1000);
    expect(records.at(-1)).toMatchObject({ action: 'request-refused', actor: 'device:child01@127.0.0.1' });
  });

  it('is refused to a revoked certificate', async () => {
    await using site = await openTestSite();
    const old = await enrolled(site);
    await site.signer.revocation.revoke(old.fingerprint, 'unspecified', 'admin');
    const problem = await problemOf(site.signer.renewal.renew(renewalOf(old)));
    expect([problem.status, problem.message]).toEqual([
      403,
      'The certificate has been revoked. Enrol again with a new one-time token.',
    ]);
  });

  it('is refused to an expired certificate, from the second after its end', async () => {
    await using site = await openTestSite({ deviceValiditySeconds: 3600 });
    const old = await enrolled(site);
    site.clock.advance(3599);
    await site.signer.renewal.renew(renewalOf(old));
    site.clock.advance(2);
    const problem = await problemOf(site.signer.renewal.renew(renewalOf(old)));
    expect([problem.status, problem.message]).toEqual([
      403,
      `The certificate ended ${old.notAfter}. To come back, get a new one-time token on the site (sallyport device enroll-token child01) and enrol again with it.`,
    ]);
  });

  it.each(['old', 'new'] as const)('is not repeated once the %s certificate is revoked', async (which) => {
    await using site = await openTestSite();
    const old = await enrolled(site);
    const request = renewalOf(old);
    const certificates = { old, new: await site.signer.renewal.renew(request) };
    await site.signer.revocation.revoke(certificates[which].fingerprint, 'superseded', 'admin');
    expect((await problemOf(site.signer.renewal.renew(request))).message).toBe(
      'The certificate has been revoked. Enrol again with a new one-time token.',
    );
  });

  it('is refused to a certificate that is revoked while the registry is asked', async () => {
    await using site = await openTestSite();
    const old = await enrolled(site);
    site.registry.answer = async () => {
      await site.signer.revocation.revoke(old.fingerprint, 'superseded', 'admin');
      return { outcome: 'allowed' };
    };
    expect((await problemOf(site.signer.renewal.renew(renewalOf(old)))).status).toBe(403);
  });

  it('is refused to the certificate of the signer itself', async () => {
    await using site = await openTestSite();
    await site.signer.serverCertificate.renewIfDue();
    const { records } = await site.signer.inventory.list({ limit: 1 });
    const [own] = records.map((record) => renewalOf(record));
    if (own === undefined) throw new Error('no certificate');
    expect((await problemOf(site.signer.renewal.renew(own))).message).toBe(
      'Certificates of profile "server" are not renewed over EST.',
    );
  });

  it('is refused to a device the registry has locked', async () => {
    await using site = await openTestSite();
    const old = await enrolled(site);
    site.registry.answer = async () => ({ outcome: 'refused', reason: 'device-locked' });
    const problem = await problemOf(site.signer.renewal.renew(renewalOf(old)));
    expect([problem.status, problem.message]).toEqual([
      403,
      'No certificate for "child01": The device is locked. sallyport device unlock DEVICE',
    ]);
  });

  it('is refused to a certificate this signer has not issued', async () => {
    await using site = await openTestSite();
    await using elsewhere = await openTestSite();
    const foreign = await enrolled(elsewhere);
    expect((await problemOf(site.signer.renewal.renew(renewalOf(foreign)))).status).toBe(403);
  });

  it.each([
    ['its name from elsewhere', '192.0.2.9'],
    ['its name from its own address', '127.0.0.1'],
  ])('works however often strangers guess the one-time password of %s', async (_case, remoteAddress) => {
    await using site = await openTestSite();
    const old = await enrolled(site);
    const guesses = Array.from({ length: 50 }, () => ({ ...enrolmentOf('child01', 'WRONG'), remoteAddress }));
    await Promise.allSettled(guesses.map((guess) => site.signer.enrolment.enrol(guess)));
    expect((await site.signer.renewal.renew(renewalOf(old))).renews).toBe(old.fingerprint);
  });

  it('answers "try again" while the registry is away, and works when it is back', async () => {
    await using site = await openTestSite();
    const request = renewalOf(await enrolled(site));
    site.registry.answer = () => Promise.reject(new Error('deadline'));
    expect((await problemOf(site.signer.renewal.renew(request))).status).toBe(503);
    site.registry.answer = async () => ({ outcome: 'allowed' });
    await site.signer.renewal.renew(request);
  });
});
