import { generateKeyPairSync, randomInt } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import { describe, expect, it } from 'vitest';
import { child01, child01Uri, ecKeyPair, thrownBy } from '../authority.fixture.js';
import {
  buildCertificateRequest,
  certificateProfiles,
  checkCertificateRequest,
  derFromPem,
  parseCertificateRequest,
  verifyPossession,
} from '../index.js';
import { vector, vectorNames } from '../vectors.fixture.js';

const vectorRequest = (name: string) => {
  const content = vector(`x509/requests/${name}`);
  return name.endsWith('.pem')
    ? (derFromPem(content.toString(), /^(?:NEW )?CERTIFICATE REQUEST$/)[0] ?? Buffer.alloc(0))
    : content;
};

const prove = (der: Uint8Array) => {
  const request = parseCertificateRequest(der);
  verifyPossession(request);
  return request;
};

describe('the hostile requests of the cryptography vectors', () => {
  const possessing = [
    'challenge-unstructured.pem',
    'challenge.pem',
    'ec_sha256.der',
    'ec_sha256.pem',
    'ec_sha256_old_header.pem',
    'freeipa-bad-critical.pem',
    'rsa_sha256.der',
    'rsa_sha256.pem',
  ];
  const refused = [
    ['bad-version.pem', 'is a version that is not 0'],
    ['basic_constraints.pem', 'uses sha1WithRSAEncryption'],
    ['challenge-invalid.der', 'is a challenge password that is not a string'],
    ['challenge-multi-valued.der', 'is followed by a second value'],
    ['dsa_sha1.der', 'uses dsa-with-SHA1'],
    ['dsa_sha1.pem', 'uses dsa-with-SHA1'],
    ['invalid_signature.pem', 'has an RSA key of 1024 bits'],
    ['long-form-attribute.pem', 'is a challenge password that is not a string'],
    ['rsa_md4.der', 'uses md4WithRSAEncryption'],
    ['rsa_md4.pem', 'uses md4WithRSAEncryption'],
    ['rsa_sha1.der', 'uses sha1WithRSAEncryption'],
    ['rsa_sha1.pem', 'uses sha1WithRSAEncryption'],
    ['san_rsa_sha1.der', 'uses sha1WithRSAEncryption'],
    ['san_rsa_sha1.pem', 'uses sha1WithRSAEncryption'],
    ['two_basic_constraints.pem', 'uses sha1WithRSAEncryption'],
    ['unsupported_extension.pem', 'uses sha1WithRSAEncryption'],
    ['unsupported_extension_critical.pem', 'uses sha1WithRSAEncryption'],
  ] as const;

  it('are these 25', () => {
    const names = [...possessing, ...refused.map(([name]) => name)];
    expect(vectorNames('x509/requests')).toEqual(names.toSorted());
    expect(names).toHaveLength(25);
  });

  it.each(possessing)('%s is parsed and proves possession of its key', (name) => {
    expect(() => prove(vectorRequest(name))).not.toThrow();
  });

  it.each(refused)('%s is refused: it %s', (name, reason) => {
    const error = thrownBy(() => prove(vectorRequest(name)));
    expect(error).toBeInstanceOf(Problem);
    expect(error).toMatchObject({ type: 'csr-rejected', message: expect.stringContaining(reason) });
  });

  it('freeipa-bad-critical.pem is refused by policy, because it spells out a default', () => {
    const request = prove(vectorRequest('freeipa-bad-critical.pem'));
    const error = thrownBy(() => checkCertificateRequest(request, certificateProfiles.device, { deviceId: child01 }));
    expect(error).toMatchObject({ type: 'csr-forbidden', status: 403 });
  });

  it.each(['basic_constraints.pem', 'two_basic_constraints.pem', 'unsupported_extension_critical.pem'])(
    '%s is refused by policy too, whatever it is signed with',
    (name) => {
      const request = {
        ...parseCertificateRequest(vectorRequest(name)),
        signatureAlgorithm: 'sha256WithRSAEncryption',
      };
      const anybody = { deviceId: child01 };
      const { subject } = prove(vectorRequest('challenge.pem'));
      const error = thrownBy(() =>
        checkCertificateRequest({ ...request, subject }, certificateProfiles.device, anybody),
      );
      expect(error).toMatchObject({ type: 'csr-forbidden' });
    },
  );

  it('challenge.pem tells its challenge password', () => {
    expect(prove(vectorRequest('challenge.pem')).challengePassword).toBe('challenge me!');
  });

  it('challenge-unstructured.pem tells which attribute nobody reads', () => {
    expect(prove(vectorRequest('challenge-unstructured.pem'))).toMatchObject({
      challengePassword: 'beauty',
      ignoredAttributes: ['1.2.840.113549.1.9.2'],
    });
  });
});

describe('building a certification request (RFC 2986)', () => {
  it('takes over the subject of a certificate byte for byte, whatever is in it', () => {
    const { subject } = parseCertificateRequest(vectorRequest('ec_sha256.der'));
    const request = prove(buildCertificateRequest({ privateKey: ecKeyPair().privateKey, subject }));

    expect(request.subject.der.toString('hex')).toBe(subject.der.toString('hex'));
  });

  it('carries the subject, the alternative names and the challenge password', () => {
    const request = prove(
      buildCertificateRequest({
        privateKey: ecKeyPair().privateKey,
        commonName: 'child01',
        organization: 'Acme',
        organizationalUnit: 'Pumps',
        subjectAltNames: [child01Uri, { type: 'dns', value: 'child01.example' }],
        challengePassword: 'b64+/=',
      }),
    );
    expect(request).toMatchObject({
      key: { type: 'ec', curve: 'P-256' },
      signatureAlgorithm: 'ecdsa-with-SHA256',
      challengePassword: 'b64+/=',
      subjectAltNames: [child01Uri, { type: 'dns', value: 'child01.example' }],
      isCa: false,
      ignoredAttributes: [],
    });
    expect(request.subject.textInOrder).toBe('CN=child01, O=Acme, OU=Pumps');
  });

  it.each([
    ['EC P-256', ecKeyPair('P-256').privateKey, 'ecdsa-with-SHA256'],
    ['EC P-384', ecKeyPair('P-384').privateKey, 'ecdsa-with-SHA384'],
    ['Ed25519', generateKeyPairSync('ed25519').privateKey, 'Ed25519'],
    ['RSA 2048', generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey, 'sha256WithRSAEncryption'],
  ])('signs with %s by the hash that belongs to it', (_case, privateKey, signatureAlgorithm) => {
    expect(prove(buildCertificateRequest({ privateKey, commonName: 'a' })).signatureAlgorithm).toBe(signatureAlgorithm);
  });

  it('refuses a key that cannot sign', () => {
    const { privateKey } = generateKeyPairSync('x25519');
    expect(() => buildCertificateRequest({ privateKey, commonName: 'a' })).toThrow('This key cannot sign here');
  });
});

describe('a request that was changed on the way', () => {
  const { privateKey } = ecKeyPair();
  const original = buildCertificateRequest({ privateKey, commonName: 'child01', subjectAltNames: [child01Uri] });
  const flipped = (bit: number) => {
    const changed = Buffer.from(original);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
    return changed;
  };

  it.each(Array.from({ length: 50 }, () => randomInt(original.length * 8)))(
    'is refused with csr-rejected when bit %d is flipped',
    (bit) => {
      expect(thrownBy(() => prove(flipped(bit)))).toMatchObject({ type: 'csr-rejected', status: 400 });
    },
  );

  it('is refused when it is longer than 16 KiB, before anything of it is read', () => {
    expect(() => parseCertificateRequest(Buffer.alloc(16 * 1024 + 1))).toThrow(
      'it has 16385 bytes, the limit is 16384',
    );
  });

  it('is refused when something follows it', () => {
    expect(() => parseCertificateRequest(Buffer.concat([original, Buffer.of(5, 0)]))).toThrow('comes after the end');
  });
});
