import { identityNaming } from '@sallyport/protocol';
import type { TestCa } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ContactsUnderTest, contactFor, contactWith, idOf } from './contact.fixture.js';

const day = 86_400;

describe('the decision about a certificate at a connector', () => {
  let contacts: ContactsUnderTest;
  let ca: TestCa;
  beforeEach(async () => {
    contacts = await ContactsUnderTest.start();
    ca = await contacts.clientCa();
  });
  afterEach(() => contacts.stop());

  describe('ends at connector and CA', () => {
    it('connector-unknown, when no connector has the name', async () => {
      expect(await contacts.arrive(ca, 'pump-17', { connector: 'nowhere' })).toBe('connector-unknown');
    });

    it('certificate-malformed, when the certificate is not the one whose key was proved', async () => {
      const [request, other] = [await contactWith(ca, { commonName: 'a' }), await contactWith(ca, { commonName: 'b' })];
      expect(await contacts.come({ ...request, connector: other.connector })).toBe('certificate-malformed');
    });

    it('not-permitted, for an administrator or a service of this site', async () => {
      expect(await contacts.arrive(ca, 'alice', { issuedHere: true, kind: 'admin' })).toBe('not-permitted');
    });

    it('issuer-disabled, when logins of the Client CA are blocked, and for devices that are registered too', async () => {
      const known = await contactWith(ca, { commonName: 'pump-17' });
      await contacts.come(known);
      await contacts.changeCa(ca, { login: false });
      expect(await contacts.come(known)).toBe('issuer-disabled');
      expect(await contacts.arrive(ca, 'pump-18')).toBe('issuer-disabled');
    });

    it('issuer-not-accepted, when the CA is no Client CA of this connector, or not any more', async () => {
      const stranger = await contacts.site.authority();
      expect(await contacts.arrive(stranger, 'pump-17')).toBe('issuer-not-accepted');
      const known = await contactWith(ca, { commonName: 'pump-17' });
      await contacts.come(known);
      await contacts.removeCa(ca);
      expect(await contacts.come(known)).toBe('issuer-not-accepted');
    });

    it('issuer-not-accepted, for a certificate of this site at a connector that takes only its Client CAs', async () => {
      const site = await contacts.site.authority();
      expect(await contacts.arrive(site, 'child01', { issuedHere: true })).toBe('admitted as child01');
      await contacts.change({ pki: { acceptsSite: false } });
      expect(await contacts.arrive(site, 'child02', { issuedHere: true })).toBe('issuer-not-accepted');
    });

    it('certificates-not-accepted, when PKI is off', async () => {
      await contacts.change({ pki: { enabled: false } });
      expect(await contacts.arrive(ca, 'pump-17')).toBe('certificates-not-accepted');
    });

    it('at the CA of the chain by its key, so a CA of the same name gets nobody in', async () => {
      const twin = await contacts.site.authority({ subject: [['CN', 'Test Root CA']] });
      const real = await contacts.clientCa({}, { subject: [['CN', 'Test Root CA']] });
      expect(await contacts.arrive(twin, 'pump-17')).toBe('issuer-not-accepted');
      expect(await contacts.arrive(real, 'pump-17')).toBe('admitted as pump-17');
    });

    it('not at all, when the Client CA is an intermediate CA, or the root above one', async () => {
      const issuing = await ca.intermediate();
      const leaf = await issuing.issue({
        commonName: 'pump-17',
        notBefore: new Date('2026-05-02'),
        notAfter: new Date('2026-12-01'),
      });
      expect(await contacts.come(contactFor(leaf, [issuing, ca]))).toBe('admitted as pump-17');
    });
  });

  describe('ends at the certificate', () => {
    it.each([
      ['leaf-is-ca', ['basicConstraints=critical,CA:TRUE']],
      ['leaf-is-ca', ['keyUsage=digitalSignature,keyCertSign']],
      ['chain-invalid', ['1.2.3.4.5=critical,ASN1:UTF8String:unknown']],
      ['wrong-purpose', ['extendedKeyUsage=serverAuth']],
      ['admitted as pump-17', ['basicConstraints=CA:FALSE']],
      ['admitted as pump-17', []],
    ])('%s, with the extensions %j', async (outcome, extensions) => {
      expect(await contacts.come(await contactWith(ca, { commonName: 'pump-17', extensions }))).toBe(outcome);
    });

    it('wrong-purpose, without clientAuth where the connector requires it', async () => {
      await contacts.change({ pki: { requireClientAuth: true } });
      const without = await contactWith(ca, { commonName: 'pump-17', extendedKeyUsage: null });
      expect(await contacts.come(without)).toBe('wrong-purpose');
      expect(await contacts.arrive(ca, 'pump-17')).toBe('admitted as pump-17');
    });

    it.each([
      ['2026-06-01T12:05:00Z', 'admitted as pump-17'],
      ['2026-06-01T12:05:01Z', 'certificate-not-yet-valid'],
    ])('certificate-not-yet-valid, at noon when it begins more than five minutes later: %s', async (begin, outcome) => {
      const request = await contactWith(ca, { commonName: 'pump-17', notBefore: new Date(begin) });
      expect(await contacts.come(request)).toBe(outcome);
    });

    it('certificate-expired, also for a device that is registered', async () => {
      const request = await contactWith(ca, { commonName: 'pump-17', notAfter: new Date('2026-06-02T12:00:00Z') });
      expect(await contacts.come(request)).toBe('admitted as pump-17');
      contacts.registry.clock.advance(day + 1);
      expect(await contacts.come(request)).toBe('certificate-expired');
    });

    it('certificate-revoked, when the revocation list of its Client CA names it', async () => {
      const request = await contactWith(ca, { commonName: 'pump-17' });
      expect(await contacts.come(request)).toBe('admitted as pump-17');
      await contacts.changeCa(ca, { crl: { mode: 'soft' } });
      await contacts.uploadCrl(ca, [request]);
      expect(await contacts.come(request)).toBe('certificate-revoked');
    });

    it('revocation-unknown, when the connector demands a list and there is none, for this Client CA only', async () => {
      const other = await contacts.clientCa();
      await contacts.changeCa(ca, { crl: { mode: 'hard' } });
      expect(await contacts.arrive(ca, 'pump-17')).toBe('revocation-unknown');
      expect(await contacts.arrive(other, 'pump-18')).toBe('admitted as pump-18');
    });

    it('issuer-unknown, when its CA is one of the site before this one', async () => {
      const { store } = contacts.registry;
      const site = { siteId: 'ab'.repeat(16), foundedAt: '2026-06-01T12:00:00.000Z' };
      await store.put('site', { ...site, distrusted: [idOf(ca)] });
      await contacts.registry.restart();
      expect(await contacts.arrive(ca, 'pump-17')).toBe('issuer-unknown');
    });

    it('certificate-revoked, when its device was revoked, also under another name', async () => {
      const request = await contactWith(ca, { commonName: 'pump-17' });
      await contacts.come(request);
      await contacts.registry.change('pump-17', 'revoke');
      expect(await contacts.come(request)).toBe('certificate-revoked');
    });
  });

  describe('ends at the name', () => {
    it('name-missing, without a CN', async () => {
      expect(await contacts.come(await contactWith(ca, { subject: [['O', 'acme']] }))).toBe('name-missing');
    });

    it('name-ambiguous, with two', async () => {
      const subject = [
        ['CN', 'one'],
        ['CN', 'two'],
      ] as const;
      expect(await contacts.come(await contactWith(ca, { subject }))).toBe('name-ambiguous');
    });

    it.each([
      'a/b',
      'a+b',
      'a#b',
      '$SYS',
      'a%2fb',
      'a?b',
      'a\\b',
      '<b>',
      '"a"',
      "a'b",
      'a b',
      ' a',
      'a ',
      '.a',
      'a..b',
      '=1+1',
      'a\nb',
      'a\u202eb',
      'a\u200bb',
      'e\u0301a',
      'é',
    ])('name-invalid, with the CN %j', async (commonName) => {
      expect(await contacts.come(await contactWith(ca, { commonName }))).toBe('name-invalid');
    });

    it('identity-format, when the identity is not as the connector wants it', async () => {
      await contacts.change({ identity: { type: 'base10', prefix: 'P', length: 4, casing: 'mixed' } });
      expect(await contacts.arrive(ca, 'P0017')).toBe('admitted as P0017');
      expect(await contacts.arrive(ca, 'P17')).toBe('identity-format');
    });

    it('identity-format, on every contact: also for a device that was registered before the format', async () => {
      const request = await contactWith(ca, { commonName: 'pump-17' });
      await contacts.come(request);
      await contacts.change({ identity: { type: 'uuid', casing: 'lower' } });
      expect(await contacts.come(request)).toBe('identity-format');
    });

    it('identity-outside-namespace, when the Client CA may not speak for the name', async () => {
      await contacts.changeCa(ca, { namespace: 'acme-' });
      expect(await contacts.arrive(ca, 'acme-1')).toBe('admitted as acme-1');
      expect(await contacts.arrive(ca, 'other-1')).toBe('identity-outside-namespace');
    });

    it('name-constrained, when the name constraints of the Client CA forbid the name', async () => {
      const extensions = ['basicConstraints=critical,CA:TRUE', 'nameConstraints=critical,permitted;DNS:acme.example'];
      const constrained = await contacts.clientCa({}, { subject: [['CN', 'Acme']], extensions });
      expect(await contacts.arrive(constrained, 'pump-17.acme.example')).toBe('admitted as pump-17.acme.example');
      expect(await contacts.arrive(constrained, 'pump-17.other.example')).toBe('name-constrained');
    });

    it('with the name that a template makes of other fields', async () => {
      const naming = identityNaming.parse({ by: 'template', template: '{o}-{serialNumber}' });
      await contacts.changeCa(ca, { naming });
      const subject = [
        ['O', 'acme'],
        ['serialNumber', '0017'],
        ['CN', 'not an / id'],
      ] as const;
      expect(await contacts.come(await contactWith(ca, { subject }))).toBe('admitted as acme-0017');
      expect((await contacts.registry.device('acme-0017')).deviceId).toBe('acme-0017');
    });

    it('with one name for two spellings, when the connector changes the case', async () => {
      await contacts.change({ identity: { type: 'opaque', casing: 'lower' } });
      expect(await contacts.arrive(ca, 'Pump-17')).toBe('admitted as pump-17');
      expect(await contacts.arrive(ca, 'PUMP-17')).toBe('certificate-not-pinned');
    });

    it('identity-denied, for a name or a certificate on the deny list, which beats the allow list', async () => {
      const denied = await contactWith(ca, { commonName: 'pump-18' });
      await contacts.allow('pump-17');
      await contacts.deny({ name: 'pump-17', certificate: denied.fingerprint });
      expect(await contacts.arrive(ca, 'pump-17')).toBe('identity-denied');
      expect(await contacts.come(denied)).toBe('identity-denied');
      expect(await contacts.arrive(ca, 'pump-19')).toBe('admitted as pump-19');
    });
  });
});
