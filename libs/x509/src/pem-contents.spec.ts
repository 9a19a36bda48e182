import { describe, expect, it } from 'vitest';
import { describePemParts, pemParts } from './index.js';

const block = (label: string, body = 'AA==') => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;

describe('what a PEM file holds', () => {
  it.each([
    ['', 'no PEM block'],
    [block('CERTIFICATE'), 'a certificate'],
    [`${block('CERTIFICATE')}words between\n${block('CERTIFICATE')}`, '2 certificates'],
    [block('EC PRIVATE KEY'), 'a private key'],
    [block('ENCRYPTED PRIVATE KEY'), 'an encrypted private key'],
    [block('RSA PRIVATE KEY', 'Proc-Type: 4,ENCRYPTED'), 'an encrypted private key'],
    [block('X509 CRL'), 'a revocation list (CRL)'],
    [block('NEW CERTIFICATE REQUEST'), 'a certificate signing request'],
    [block('DH PARAMETERS'), 'a PEM block "DH PARAMETERS"'],
  ])('is said in words: %j', (text, words) => {
    expect(describePemParts(pemParts(text))).toBe(words);
  });

  it('ends at a block that is cut off', () => {
    const parts = pemParts(`${block('CERTIFICATE')}-----BEGIN PRIVATE KEY-----\nAA==\n${block('CERTIFICATE')}`);
    expect(parts.map(({ label }) => label)).toEqual(['CERTIFICATE']);
  });
});
