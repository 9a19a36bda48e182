import { createPrivateKey, createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { serialNumber } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { leafIssuer } from '../authority.fixture.js';
import { certificateProfiles, issueCaCertificate, issueRootCertificate, parseCertificate } from '../index.js';

/** Ed25519 signatures are deterministic, so the expected values contain them too (RFC 8032 §5.1.6). */
const ed25519 = (seed: number) => {
  const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, seed)]);
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  return { privateKey, publicKey: createPublicKey(privateKey) };
};

/** The base points of the curves, the public key of RFC 8032 §7.1 test 1, and an RSA key whose private part is lost. */
const spkis = {
  'P-256':
    '3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5',
  'P-384':
    '3076301006072a8648ce3d020106052b8104002203620004aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab73617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f',
  Ed25519: '302a300506032b6570032100d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
  'RSA 2048': Buffer.from(
    'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA3GgE5kBHmgvcoU2uQz1U5zU2kv43i+uaMBYq8Za5OkdBMMmMtAxvHaKTQy6VhWGqsaXxRMy1NiJWVwrhaOMaKJwyDEPGDd8ZQGyIkBemhUT/8cO97DCMcqeGkisQIVWfx1Cv4GvchwiPVGEBSm68LFVLIofycxXlGYox3A96zb9bfH7wpff+mA9LXQ7rPrHzpAgXBc04ikS+ovORZAWw/dmSP6putU25VuJCzVPtqE/QAtK6c4mYvh3L0FabIuwy3SJgrVGu3Y8WDY8oaqbeiB/faddRbLMxkCh3fb7DvK/WRu6C8jQfb9fAll1ZfX/vv95V5bsKu9zEjzOzIBz1rwIDAQAB',
    'base64',
  ).toString('hex'),
} as const;

/** Base64 of each DER, by profile and key. */
const golden = new Map<string, unknown>(
  Object.entries(JSON.parse(readFileSync(new URL('./golden-certificates.json', import.meta.url), 'utf8'))),
);

const validity = { notBefore: new Date('2026-01-01T00:00:00Z'), notAfter: new Date('2046-01-01T00:00:00Z') };
const root = ed25519(1);
const rootDer = issueRootCertificate({
  ...root,
  ...validity,
  commonName: 'Golden Root G1',
  organization: 'Golden',
  serialNumber: serialNumber.parse('40'.repeat(16)),
});
const issuing = ed25519(2);
const issuingDer = issueCaCertificate({
  issuer: parseCertificate(rootDer),
  issuerKey: root.privateKey,
  publicKey: issuing.publicKey,
  commonName: 'Golden Issuing G1-a',
  organization: 'Golden',
  notBefore: new Date('2026-01-01T00:00:00Z'),
  notAfter: new Date('2031-01-01T00:00:00Z'),
  serialNumber: serialNumber.parse('41'.repeat(16)),
  crlUrl: 'http://ca.test/root.crl',
  caIssuersUrl: 'http://ca.test/root.cer',
});

describe('certificates on record, byte for byte', () => {
  it('are the root and the issuing CA', () => {
    expect(rootDer.toString('base64')).toBe(golden.get('root'));
    expect(issuingDer.toString('base64')).toBe(golden.get('issuing'));
  });

  const profiles = ['device', 'service', 'admin', 'server'] as const;
  const keys = ['P-256', 'P-384', 'Ed25519', 'RSA 2048'] as const;
  it.each(profiles.flatMap((profile) => keys.map((key) => [profile, key] as const)))(
    'are a leaf of profile %s with a key %s',
    (profile, key) => {
      const issuer = leafIssuer(
        { certificate: parseCertificate(issuingDer), privateKey: issuing.privateKey },
        certificateProfiles[profile],
      );
      const { der } = issuer.issue({
        subject: { commonName: 'golden.example', organization: 'Golden' },
        spki: Buffer.from(spkis[key], 'hex'),
        subjectAltNames: [
          { type: 'uri', value: `spiffe://sallyport.local/${certificateProfiles[profile].kind}/golden.example` },
          { type: 'dns', value: 'golden.example' },
          { type: 'ip', value: '2001:db8::1' },
        ],
        notBefore: new Date('2026-11-22T11:55:00Z'),
        notAfter: new Date(profile === 'admin' ? '2026-11-29T12:00:00Z' : '2026-12-22T12:00:00Z'),
        serialNumber: serialNumber.parse('42'.repeat(16)),
      });
      expect(der.toString('base64')).toBe(golden.get(`${profile}, ${key}`));
    },
  );

  it('are these 18 and no others', () => {
    expect([...golden.keys()]).toHaveLength(18);
  });
});
