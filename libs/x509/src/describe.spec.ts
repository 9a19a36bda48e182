import { describe, expect, it } from 'vitest';
import { leafIssuer, leafRequest, makeIssuing, makeRoot, now } from './authority.fixture.js';
import { describeCertificate } from './index.js';

const issuing = makeIssuing(makeRoot());
const { certificate } = leafIssuer(issuing).issue(leafRequest());

describe('describing a certificate', () => {
  it('shows what `cert show` prints', () => {
    const description = describeCertificate(certificate, now);
    expect(description).toMatchObject({
      subject: 'CN=child01,O=Test',
      issuer: 'CN=Test Issuing G1-a,O=Test',
      status: 'valid',
      statusSeconds: 90 * 24 * 60 * 60,
      validFrom: new Date('2026-11-22T11:55:00Z'),
      validUntil: new Date('2027-02-20T12:00:00Z'),
      key: 'EC P-256',
      signatureAlgorithm: 'ecdsa-with-SHA256',
      isCa: false,
      isSelfIssued: false,
      keyUsages: ['digitalSignature'],
      extendedKeyUsages: ['clientAuth'],
      subjectAltNames: [{ type: 'uri', value: 'spiffe://sallyport.local/device/child01' }],
    });
    expect(description.thumbprint).toMatch(/^[0-9A-F]{40}$/);
  });

  it('shows the serial number in decimal and hexadecimal', () => {
    const { serialNumber } = describeCertificate(certificate, now);
    expect(serialNumber.hex).toBe(certificate.serialNumber);
    expect(BigInt(serialNumber.decimal).toString(16)).toBe(serialNumber.hex);
  });

  it.each([
    ['not-yet-valid', '2026-11-22T11:54:00Z', 60],
    ['valid', '2026-11-22T11:55:00Z', 7776300],
    ['valid', '2027-02-20T11:59:59Z', 1],
    ['expired', '2027-02-20T12:00:10Z', 10],
  ])('says %s at %s, with the seconds that go with it', (status, moment, statusSeconds) => {
    expect(describeCertificate(certificate, new Date(moment))).toMatchObject({ status, statusSeconds });
  });

  it('says expires-soon from the minimum the caller sets', () => {
    const statusAt = (moment: string) => describeCertificate(certificate, new Date(moment), 3600).status;
    expect(statusAt('2027-02-20T10:59:59Z')).toBe('valid');
    expect(statusAt('2027-02-20T11:00:00Z')).toBe('expires-soon');
  });

  it('recognises a root as self-issued', () => {
    const { certificate: root } = makeRoot();
    expect(describeCertificate(root, now)).toMatchObject({ isSelfIssued: true, isCa: true, key: 'EC P-384' });
  });
});
