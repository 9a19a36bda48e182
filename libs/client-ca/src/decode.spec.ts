import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { rootCertificates } from 'node:tls';
import type { CertificateOptions } from '@sallyport/testkit';
import { mustRun, TestCa } from '@sallyport/testkit';
import { buildCertificateRequest, derFromPem, encodeCertsOnly } from '@sallyport/x509';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificateIn, now, text, validNow } from './certificates.fixture.js';
import { acceptClientCa } from './client-ca-certificate.js';
import { decode } from './decode.js';

const factory = { commonName: 'Factory CA' };

describe('DECODE', () => {
  let ca: TestCa;
  const made: TestCa[] = [];
  beforeAll(async () => {
    ca = await authority(factory);
  });
  afterAll(async () => {
    for (const each of made) await each[Symbol.asyncDispose]();
  });

  const authority = async (options: CertificateOptions) => {
    const created = await TestCa.create({ ...validNow, ...options });
    made.push(created);
    return created;
  };
  const codes = (pasted: string) =>
    decode(text(pasted), now).findings.map(({ code, severity }) => `${severity} ${code}`);
  const der = () => derFromPem(ca.certPem, 'CERTIFICATE')[0] ?? Buffer.alloc(0);

  it('says all of a CA that a reader needs to know', () => {
    const { items, fitsClientCa } = decode(text(ca.certPem), now);
    const fingerprint = createHash('sha256').update(der()).digest('hex');
    expect(fitsClientCa).toBe(true);
    expect(items).toMatchObject([
      {
        kind: 'certificate',
        role: 'root-ca',
        version: 3,
        subject: 'CN=Factory CA',
        issuer: 'CN=Factory CA',
        commonNames: ['Factory CA'],
        notBefore: '2026-05-01T00:00:00.000Z',
        notAfter: '2027-05-01T00:00:00.000Z',
        status: 'valid',
        key: 'EC P-256',
        fingerprint,
        der: der().toString('base64'),
      },
    ]);
  });

  it.each([
    ['DER', () => ({ base64: der().toString('base64') })],
    ['base64 without PEM lines', () => text(der().toString('base64'))],
    ['hexadecimal', () => text(der().toString('hex'))],
    ['PEM with text around it', () => text(`Subject: x\n${ca.certPem}\nend`)],
    ['PEM with CRLF', () => text(ca.certPem.replaceAll('\n', '\r\n'))],
    ['PKCS #7', () => ({ base64: encodeCertsOnly([der()]).toString('base64') })],
  ])('reads %s', (_kind, pasted) => {
    expect(decode(pasted(), now)).toMatchObject({ fitsClientCa: true, items: [{ subject: 'CN=Factory CA' }] });
  });

  it('tells a leaf from a CA', async () => {
    const leaf = await ca.issue({ ...validNow, commonName: 'pump-17' });
    const { items, fitsClientCa, findings } = decode(text(leaf.certPem), now);
    expect([items, fitsClientCa]).toMatchObject([[{ role: 'leaf', commonNames: ['pump-17'] }], false]);
    expect(findings[0]?.text).toContain('CN=pump-17 is no CA');
  });

  it('warns of a key, and keeps nothing of it', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const keyDer = privateKey.export({ format: 'der', type: 'sec1' });
    for (const pasted of [text(pem), text(ca.certPem + pem), { base64: keyDer.toString('base64') }]) {
      const decoded = decode(pasted, now);
      expect(decoded.fitsClientCa).toBe(false);
      expect(decoded.findings.map(({ code }) => code)).toContain('private-key');
      expect(JSON.stringify(decoded)).not.toContain(pem.split('\n')[1]);
      expect(() => acceptClientCa(pasted, now)).toThrow('You pasted a private key');
    }
  });

  it('says what else it is', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const request = buildCertificateRequest({ privateKey, commonName: 'x' });
    const crl = await ca.revocationList([]);
    const kinds = [publicKey.export({ format: 'pem', type: 'spki' }).toString(), crl].map(
      (pasted) => decode(text(pasted), now).items[0]?.kind,
    );
    const base64 = Buffer.from(request).toString('base64');
    expect([...kinds, decode({ base64 }, now).items[0]?.kind]).toEqual(['public-key', 'revocation-list', 'request']);
  });

  it.each([
    ['nothing', '', 'empty'],
    ['a sentence', 'my certificate', 'unreadable'],
    ['a PEM that is cut off', '-----BEGIN CERTIFICATE-----\nMIIB', 'unreadable'],
    ['a PEM of garbage', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----', 'unreadable'],
    ['a PEM that is not base64', '-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----', 'unreadable'],
    ['a broken PKCS #7', '-----BEGIN PKCS7-----\nMIIB\n-----END PKCS7-----', 'unreadable'],
  ])('takes %s without falling over', (_case, pasted, code) => {
    const { fitsClientCa, findings } = decode(text(pasted), now);
    expect([fitsClientCa, findings.map((finding) => finding.code)]).toEqual([false, [code]]);
  });

  it('never throws, whatever the bytes', () => {
    const whole = der();
    for (let seed = 0; seed < 300; seed += 1) {
      const bytes = seed % 3 === 0 ? randomBytes(seed) : Buffer.from(whole);
      if (seed % 3 !== 0) bytes[(seed * 7) % bytes.length] = seed & 0xff;
      expect(decode({ base64: bytes.toString('base64') }, now).items.length).toBeLessThanOrEqual(100);
    }
  });

  it('reads a megabyte only as far as it needs to', () => {
    const { items, findings } = decode(text(ca.certPem.repeat(1500)), now);
    expect(items).toHaveLength(100);
    expect(findings.map(({ code }) => code)).toContain('too-many');
    expect(decode(text('A'.repeat(1_000_000)), now).fitsClientCa).toBe(false);
  });

  it('asks for one certificate at a time', async () => {
    const other = await authority({ commonName: 'Other CA' });
    expect(codes(ca.certPem + other.certPem)).toContain('error more-than-one');
    expect(() => acceptClientCa(text(ca.certPem + other.certPem), now)).toThrow('There are 2 certificates in it.');
  });

  it('escapes what could deceive a reader', async () => {
    const odd = await authority({ commonName: '<img src=x>\u202Eevil\n' });
    const [item] = decode(text(odd.certPem), now).items;
    expect(item).toMatchObject({ commonNames: ['<img src=x>\\u{202e}evil\\u{a}'] });
    expect(JSON.stringify(item)).not.toMatch(/[\u202e]|\\n/);
  });

  it.each<[string, CertificateOptions, string]>([
    ['has expired', { notAfter: new Date('2026-05-31T00:00:00Z') }, 'error expired'],
    ['ends in less than 90 days', { notAfter: new Date('2026-07-01T00:00:00Z') }, 'warning expires-soon'],
    ['is not valid yet', { notBefore: new Date('2026-06-02T00:00:00Z') }, 'warning not-yet-valid'],
    ['has a weak key', { key: 'RSA 1024' }, 'error weak-key'],
    ['is signed with SHA-1', { digest: 'sha1' }, 'error weak-signature'],
    ['says CA:FALSE', { extensions: ['basicConstraints=critical,CA:FALSE'] }, 'error not-a-ca'],
    [
      'may not sign certificates',
      { extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=digitalSignature'] },
      'error no-cert-sign',
    ],
    [
      'is for servers',
      { extensions: ['basicConstraints=critical,CA:TRUE', 'extendedKeyUsage=serverAuth'] },
      'error wrong-purpose',
    ],
    [
      'has no key identifier',
      { extensions: ['basicConstraints=critical,CA:TRUE', 'subjectKeyIdentifier=none'] },
      'warning no-key-identifier',
    ],
    ['is an old version 1 root', { extensions: [] }, 'warning version-1'],
    [
      'has name constraints',
      { extensions: ['basicConstraints=critical,CA:TRUE', 'nameConstraints=critical,permitted;DNS:acme.example'] },
      'warning name-constraints',
    ],
  ])('says when a CA %s', async (_case, options, finding) => {
    expect(codes((await authority({ ...factory, ...options })).certPem)).toContain(finding);
  });

  it('refuses a CA of the web', () => {
    expect(codes(rootCertificates[0] ?? '')).toContain('error public-ca');
  });

  it('says that an intermediate CA stands alone', async () => {
    const below = await ca.intermediate(validNow);
    expect(codes(below.certPem)).toContain('info intermediate');
  });

  it('takes what the example of the vendor makes', async () => {
    const home = made[0]?.certPath.replace(/[^/]+$/, '') ?? '';
    const subject = '/C=US/ST=MN/L=Mpls/O=westpharma/CN=iot.example';
    const request = ['req', '-x509', '-nodes', '-days', '365', '-sha256', '-subj', subject, '-newkey', 'rsa:2048'];
    await mustRun('openssl', [...request, '-keyout', `${home}v-key.pem`, '-out', `${home}v-cert.pem`]);
    const pem = await mustRun('openssl', ['x509', '-in', `${home}v-cert.pem`]);
    expect(decode(text(pem), certificateIn(pem).notBefore).fitsClientCa).toBe(true);
  });
});
