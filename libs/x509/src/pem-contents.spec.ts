import { describe, expect, it } from 'vitest';
import { makeSite } from './authority.fixture.js';
import {
  certificatePemsIn,
  certificatesFromPem,
  derFromPem,
  describePemParts,
  importBundle,
  pemFromDer,
  pemParts,
} from './index.js';

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

  it.each([
    `${block('CERTIFICATE')}-----BEGIN PRIVATE KEY-----\nAA==\n${block('CERTIFICATE')}`,
    `${block('CERTIFICATE')}-----BEGIN PRIVATE KEY-----\nAA==\n-----END CERTIFICATE-----\n${block('CERTIFICATE')}`,
  ])('has a block that is cut off, and those around it: %j', (text) => {
    expect(pemParts(text).map(({ label, isCutOff }) => [label, isCutOff])).toEqual([
      ['CERTIFICATE', false],
      ['PRIVATE KEY', true],
      ['CERTIFICATE', false],
    ]);
    expect(describePemParts(pemParts('-----BEGIN CERTIFICATE-----\nAA=='))).toBe('a certificate that is cut off');
  });
});

describe('two certificates, however they are spelled', () => {
  const site = makeSite();
  const [issuing, root] = [site.issuing.certificate.der, site.root.certificate.der];
  const [first, second] = [pemFromDer('CERTIFICATE', issuing), pemFromDer('CERTIFICATE', root)];
  const relabelled = (label: string) => (first + second).replaceAll(/(BEGIN|END) CERTIFICATE/g, `$1 ${label}`);
  const withRules = (rules: Buffer) => {
    const base64 = Buffer.concat([issuing, rules]).toString('base64');
    return `-----BEGIN TRUSTED CERTIFICATE-----\n${base64}\n-----END TRUSTED CERTIFICATE-----\n${second}`;
  };
  // SEQUENCE { UTF8String "a" }, and SEQUENCE { SEQUENCE { serverAuth } }
  const alias = Buffer.from('30030c0161', 'hex');
  const purpose = Buffer.from('300c300a06082b06010505070301', 'hex');

  it.each([
    ['with a byte order mark', `\ufeff${first}${second}`],
    ['with a byte order mark read as Latin 1', `\u00ef\u00bb\u00bf${first}${second}`],
    ['with CRLF', (first + second).replaceAll('\n', '\r\n')],
    ['with CR', (first + second).replaceAll('\n', '\r')],
    ['joined without a line feed', first.trimEnd() + second.trimEnd()],
    ['indented', (first + second).replaceAll(/^/gm, '    ')],
    ['in one line each', (first + second).replaceAll(/(?<!-)\n(?!-)/g, '')],
    ['with text around that names the marker', `see "-----BEGIN CERTIFICATE-----"\n${first}and\n${second}end`],
    ['labelled by old tools', relabelled('X509 CERTIFICATE')],
    ['labelled by OpenSSL', relabelled('TRUSTED CERTIFICATE')],
    ['with a name for people', withRules(alias)],
  ])('%s are read by all that read PEM', (_, text) => {
    expect(certificatesFromPem(text).map(({ der }) => der)).toEqual([issuing, root]);
    expect(derFromPem(text, 'CERTIFICATE')).toEqual([issuing, root]);
    expect(certificatePemsIn(text)).toEqual([first, second]);
    expect(importBundle(Buffer.from(text, text.startsWith('\ufeff') ? 'utf8' : 'latin1')).certificates).toHaveLength(2);
  });

  it('with rules of OpenSSL are refused with the command that takes them out', () => {
    expect(() => certificatesFromPem(withRules(purpose))).toThrow('openssl x509 -in OLD -out NEW');
    expect(certificatePemsIn(withRules(purpose))).toEqual([second]);
  });
});
