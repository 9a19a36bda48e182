import { describe, expect, it } from 'vitest';
import { makeSite } from './authority.fixture.js';
import { certificatesFromPem, derFromPem, pemFromDer, splitAtCertificates } from './index.js';

describe('PEM (RFC 7468)', () => {
  it('wraps at 64 columns and ends with a line feed', () => {
    expect(pemFromDer('PUBLIC KEY', Buffer.alloc(49, 0xff))).toBe(
      `-----BEGIN PUBLIC KEY-----\n${'/'.repeat(64)}\n/w==\n-----END PUBLIC KEY-----\n`,
    );
  });

  it('finds every certificate in order and skips keys and text around them', () => {
    const { root, issuing } = makeSite();
    const bundle = [
      'Issuing CA\n',
      pemFromDer('CERTIFICATE', issuing.certificate.der),
      pemFromDer('PRIVATE KEY', Buffer.from('a key')),
      'Root\r\n',
      pemFromDer('CERTIFICATE', root.certificate.der).replaceAll('\n', '\r\n'),
    ].join('');
    expect(certificatesFromPem(bundle).map(({ subject }) => subject.text)).toEqual([
      'CN=Test Issuing G1-a,O=Test',
      'CN=Test Root G1,O=Test',
    ]);
  });

  it('finds none in a text without any', () => {
    expect(certificatesFromPem('no certificate here')).toEqual([]);
  });

  it('takes the older labels when they are asked for', () => {
    const pem = '-----BEGIN NEW CERTIFICATE REQUEST-----\nAAEC\n-----END NEW CERTIFICATE REQUEST-----\n';
    expect(derFromPem(pem, /^(?:NEW )?CERTIFICATE REQUEST$/)).toEqual([Buffer.of(0, 1, 2)]);
  });

  it.each([
    ['has no END line', '-----BEGIN CERTIFICATE-----\nAAEC\n'],
    [
      'has no END line',
      '-----BEGIN CERTIFICATE-----\nAAEC\n-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n',
    ],
    ['is not base64', '-----BEGIN CERTIFICATE-----\nAAE\n-----END CERTIFICATE-----\n'],
    ['is not base64', '-----BEGIN CERTIFICATE-----\nA(EC\n-----END CERTIFICATE-----\n'],
    ['is not base64', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
  ])('refuses a block that %s', (fault, pem) => {
    expect(() => certificatesFromPem(pem)).toThrow(fault);
  });

  it('is cut where the first certificate begins', () => {
    const key = '-----BEGIN PRIVATE KEY-----\nAAEC\n-----END PRIVATE KEY-----\n';
    const chain = '-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n'.repeat(2);
    expect(splitAtCertificates(key + chain)).toEqual({ before: key, certificates: chain });
    expect(splitAtCertificates(key)).toBeUndefined();
  });

  it('reads ten thousand certificates in one file in time that grows with their number only', () => {
    const block = '-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n';
    expect(derFromPem(block.repeat(10_000), 'CERTIFICATE')).toHaveLength(10_000);
  });
});
