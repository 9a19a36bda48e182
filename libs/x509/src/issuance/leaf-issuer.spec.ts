import { Problem, serialNumber as serialNumberSchema } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import {
  child01Uri,
  ecKeyPair,
  leafIssuer,
  leafRequest,
  makeIssuing,
  makeRoot,
  spkiOf,
  thrownBy,
} from '../authority.fixture.js';
import {
  certificateProfiles,
  issueRootCertificate,
  LeafIssuer,
  lintCertificate,
  parseCertificate,
  type SubjectAltName,
  validityOf,
  verifySignedBy,
} from '../index.js';
import { oids } from '../oids.js';

const root = makeRoot();
const issuing = makeIssuing(root);
const deviceIssuer = leafIssuer(issuing);
const extensionOids = (certificate: ReturnType<typeof parseCertificate>) =>
  certificate.extensions.map(({ oid }) => oid);

describe('issuing a leaf (RFC 5280 §4.1)', () => {
  it('fills every field from the profile, the issuer and the request', () => {
    const { certificate, der } = deviceIssuer.issue(leafRequest());
    expect(certificate).toMatchObject({
      version: 3,
      signatureAlgorithm: 'ecdsa-with-SHA256',
      notBefore: new Date('2026-11-22T11:55:00Z'),
      notAfter: new Date('2027-02-20T12:00:00Z'),
      isCa: false,
      keyUsages: ['digitalSignature'],
      extendedKeyUsages: ['clientAuth'],
      subjectAltNames: [child01Uri],
      crlDistributionPoints: ['http://ca.test/issuing.crl'],
      caIssuers: ['http://ca.test/issuing.cer'],
      authorityKeyIdentifier: issuing.certificate.subjectKeyIdentifier,
    });
    expect(certificate.subject.text).toBe('CN=child01,O=Test');
    expect(certificate.issuer.der).toEqual(issuing.certificate.subject.der);
    expect(parseCertificate(der)).toEqual(certificate);
    expect(verifySignedBy(certificate, issuing.certificate)).toBe(true);
  });

  it('copies the key byte for byte', () => {
    const spki = spkiOf(ecKeyPair('P-384').publicKey);
    expect(deviceIssuer.issue(leafRequest({ spki })).certificate.spki).toEqual(spki);
  });

  it('marks constraints and key usage critical, and nothing else, in a fixed order', () => {
    const { extensions } = deviceIssuer.issue(leafRequest()).certificate;
    expect(extensions.map(({ oid, critical }) => [oid, critical])).toEqual([
      [oids.basicConstraints, true],
      [oids.keyUsage, true],
      [oids.extendedKeyUsage, false],
      [oids.authorityKeyIdentifier, false],
      [oids.subjectKeyIdentifier, false],
      [oids.subjectAltName, false],
      [oids.crlDistributionPoints, false],
      [oids.authorityInfoAccess, false],
    ]);
  });

  it.each([
    ['device', ['clientAuth']],
    ['service', ['serverAuth', 'clientAuth']],
    ['admin', ['clientAuth']],
    ['server', ['serverAuth']],
    ['ocfDevice', ['clientAuth', 'serverAuth', '1.3.6.1.4.1.44924.1.6']],
    ['ocfHub', ['clientAuth', 'serverAuth', '1.3.6.1.4.1.44924.1.6']],
  ] as const)('gives profile %s the purposes %j and leaves nothing for the linter', (name, purposes) => {
    const issuer = leafIssuer(issuing, certificateProfiles[name]);
    const subjectAltNames: SubjectAltName[] = [{ type: 'dns', value: 'localhost' }];
    const { certificate } = issuer.issue(leafRequest({ subjectAltNames }));
    expect(certificate.extendedKeyUsages).toEqual(purposes);
    expect(lintCertificate(certificate, issuing.certificate)).toEqual([]);
  });

  it('gives a fresh serial number to each, and the one that is asked for', () => {
    const fresh = [deviceIssuer.issue(leafRequest()), deviceIssuer.issue(leafRequest())];
    expect(fresh[0]?.certificate.serialNumber).not.toBe(fresh[1]?.certificate.serialNumber);
    const serialNumber = serialNumberSchema.parse('0102030405060708090a');
    expect(deviceIssuer.issue(leafRequest({ serialNumber })).certificate.serialNumber).toBe(serialNumber);
  });
});

describe('the life of a leaf', () => {
  it('is what the profile says, backdated, to the second', () => {
    const { notBefore, notAfter } = validityOf(certificateProfiles.device, new Date('2026-11-22T12:00:00.789Z'));
    expect(notBefore).toEqual(new Date('2026-11-22T11:55:00Z'));
    expect(notAfter).toEqual(new Date('2027-02-20T12:00:00Z'));
  });

  it('is cut to the life of its issuer at both ends', () => {
    const { certificate } = deviceIssuer.issue(
      leafRequest({ notBefore: new Date('2025-12-01T00:00:00Z'), notAfter: new Date('2032-01-01T00:00:00Z') }),
    );
    expect(certificate.notBefore).toEqual(new Date('2026-01-01T00:00:00Z'));
    expect(certificate.notAfter).toEqual(new Date('2031-01-01T00:00:00Z'));
  });

  it('is refused when the issuer leaves less than half of it', () => {
    const lateRequest = (notBefore: string) =>
      leafRequest({ notBefore: new Date(notBefore), notAfter: new Date('2031-04-01T00:00:00Z') });
    expect(() => deviceIssuer.issue(lateRequest('2030-10-01T00:00:00Z'))).not.toThrow();
    const error = thrownBy(() => deviceIssuer.issue(lateRequest('2030-12-01T00:00:00Z')));
    expect(error).toMatchObject({
      type: 'signing-key-unavailable',
      message: expect.stringContaining('ends 2031-01-01T00:00:00.000Z'),
    });
  });

  it('is refused when it has no length', () => {
    const moment = new Date('2027-01-01T00:00:00Z');
    expect(() => deviceIssuer.issue(leafRequest({ notBefore: moment, notAfter: moment }))).toThrow(
      'Nothing was signed',
    );
  });

  it.each([
    ['2049-12-31T23:59:59Z', '\x17\x0d491231235959Z'],
    ['2050-01-01T00:00:00Z', '\x18\x0f20500101000000Z'],
  ])('may end %s, below a root that lasts to the year 9999', (end, encoded) => {
    const keys = ecKeyPair();
    const endless = issueRootCertificate({
      ...keys,
      commonName: 'Endless Root',
      notBefore: new Date('2026-01-01T00:00:00Z'),
      notAfter: new Date('9999-12-31T23:59:59Z'),
    });
    const issuer = leafIssuer({ certificate: parseCertificate(endless), privateKey: keys.privateKey });
    const leaf = issuer.issue(leafRequest({ notBefore: new Date('2028-02-29T00:00:00Z'), notAfter: new Date(end) }));
    expect(leaf.certificate.notBefore).toEqual(new Date('2028-02-29T00:00:00Z'));
    expect(leaf.certificate.notAfter).toEqual(new Date(end));
    expect(leaf.der.toString('latin1')).toContain(encoded);
  });
});

describe('revocation information in a leaf', () => {
  const shortRequest = (days: number) =>
    leafRequest({ notAfter: new Date(Date.parse('2026-11-22T12:00:00Z') + days * 86_400_000) });

  it('is replaced by noRevAvail for a life of up to 7 days (RFC 9608)', () => {
    const { certificate } = deviceIssuer.issue(shortRequest(7));
    expect(certificate.crlDistributionPoints).toEqual([]);
    expect(certificate.caIssuers).toEqual(['http://ca.test/issuing.cer']);
    expect(extensionOids(certificate)).toContain(oids.noRevAvail);
  });

  it('is the CRL for a longer one', () => {
    const { certificate } = deviceIssuer.issue(shortRequest(7 + 1 / 86_400));
    expect(certificate.crlDistributionPoints).toEqual(['http://ca.test/issuing.crl']);
    expect(extensionOids(certificate)).not.toContain(oids.noRevAvail);
  });

  it('is left out by an issuer that publishes none', () => {
    const issuer = new LeafIssuer({
      issuer: issuing.certificate,
      privateKey: issuing.privateKey,
      profile: certificateProfiles.device,
    });
    const { certificate } = issuer.issue(leafRequest());
    expect(certificate.crlDistributionPoints).toEqual([]);
    expect(certificate.caIssuers).toEqual([]);
  });
});

describe('linting before signing', () => {
  it.each<[string, string, SubjectAltName[]]>([
    ['no alternative name', 'leaf-alternative-name', []],
    ['an underscore in a host name', 'alternative-name-syntax', [{ type: 'dns', value: 'a_b' }]],
    ['a label of 64 characters', 'alternative-name-syntax', [{ type: 'dns', value: 'a'.repeat(64) }]],
    ['a host name of 254 characters', 'alternative-name-syntax', [{ type: 'dns', value: `${'a.'.repeat(126)}ab` }]],
    ['a name twice', 'alternative-name-unique', [child01Uri, child01Uri]],
    ['a relative URI', 'alternative-name-syntax', [{ type: 'uri', value: '/device/child01' }]],
    ['an e-mail address', 'alternative-name-syntax', [{ type: 'email', value: 'a@b.example' }]],
  ])('refuses %s and signs nothing', (_case, rule, subjectAltNames) => {
    const error = thrownBy(() => deviceIssuer.issue(leafRequest({ subjectAltNames })));
    expect(error).toBeInstanceOf(Problem);
    expect(error).toMatchObject({ type: 'csr-rejected', extensions: { rules: [rule] } });
    expect(error).toMatchObject({ message: expect.stringMatching(/^Nothing was signed, because the certificate /) });
  });

  it('refuses a server whose common name looks like a host but is no alternative name', () => {
    const issuer = leafIssuer(issuing, certificateProfiles.server);
    const request = (commonName: string) =>
      leafRequest({ subject: { commonName }, subjectAltNames: [{ type: 'dns', value: 'gw.example' }] });
    expect(() => issuer.issue(request('gw.example'))).not.toThrow();
    expect(() => issuer.issue(request('other.example'))).toThrow('but not the alternative name');
  });

  it('refuses a name that cannot stand in a subject', () => {
    const request = leafRequest({ subject: { commonName: 'x'.repeat(65) } });
    expect(thrownBy(() => deviceIssuer.issue(request))).toMatchObject({ type: 'invalid-request' });
  });
});

describe('an issuer', () => {
  it('is refused when its key does not pair with its certificate', () => {
    const error = thrownBy(() => leafIssuer({ ...issuing, privateKey: ecKeyPair().privateKey }));
    expect(error).toMatchObject({
      type: 'signing-key-unavailable',
      message: 'The private key does not belong to the certificate of CN=Test Issuing G1-a,O=Test.',
    });
  });

  it('is refused when its certificate is not of a CA', () => {
    const keys = ecKeyPair();
    const { certificate } = deviceIssuer.issue(leafRequest({ spki: spkiOf(keys.publicKey) }));
    expect(() => leafIssuer({ certificate, privateKey: keys.privateKey })).toThrow('it is not a CA certificate');
  });
});
