import { createCipheriv, generateKeyPairSync, type KeyObject, pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  ecKeyPair,
  leafIssuer,
  leafRequest,
  makeIssuing,
  makeRoot,
  makeSite,
  spkiOf,
  thrownBy,
} from '../authority.fixture.js';
import { oid } from '../der/oid.js';
import { contextConstructed, contextPrimitive } from '../der/tags.js';
import { integer, nullValue, octetString, sequence, tlv } from '../der/writer.js';
import { exportPkcs12, importPkcs12, pemFromDer, verifySignedBy } from '../index.js';
import { oids } from '../oids.js';
import { withWorkbench } from '../openssl.fixture.js';
import { vector } from '../vectors.fixture.js';

const issuing = makeIssuing(makeRoot());
const issuer = leafIssuer(issuing);
const keyPairs = {
  'EC P-256': ecKeyPair(),
  'EC P-384': ecKeyPair('P-384'),
  Ed25519: generateKeyPairSync('ed25519'),
  'RSA 2048': generateKeyPairSync('rsa', { modulusLength: 2048 }),
} as const;
const kinds = ['EC P-256', 'EC P-384', 'Ed25519', 'RSA 2048'] as const;
const certified = (kind: (typeof kinds)[number]) => {
  const { publicKey, privateKey } = keyPairs[kind];
  return { privateKey, certificate: issuer.issue(leafRequest({ spki: spkiOf(publicKey) })).certificate };
};
const pemOf = (privateKey: KeyObject) => privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

const salt = Buffer.alloc(16);

/** PBES2 with AES-256 and an IV of zeros. */
function pbes2(iterations: number): Buffer {
  const derivation = sequence(octetString(salt), integer(iterations), sequence(oid(oids.hmacWithSha256), nullValue()));
  const cipher = sequence(oid(oids.aes256Cbc), octetString(salt));
  return sequence(oid(oids.pbes2), sequence(sequence(oid(oids.pbkdf2), derivation), cipher));
}

function plainContent(content: Buffer): Buffer {
  return sequence(oid(oids.pkcs7Data), tlv(contextConstructed(0), octetString(content)));
}

/** Encrypted with one iteration, but it may claim another number. */
function encryptedContent(content: Buffer, iterations: number): Buffer {
  const cipher = createCipheriv('aes-256-cbc', pbkdf2Sync('secret', salt, 1, 32, 'sha256'), salt);
  const ciphertext = Buffer.concat([cipher.update(content), cipher.final()]);
  const info = sequence(oid(oids.pkcs7Data), pbes2(iterations), tlv(contextPrimitive(0), ciphertext));
  return sequence(oid(oids.pkcs7EncryptedData), tlv(contextConstructed(0), sequence(integer(0), info)));
}

function keyBagOf(iterations: number): Buffer {
  const key = sequence(pbes2(iterations), octetString(Buffer.alloc(16)));
  return sequence(oid(oids.pkcs8ShroudedKeyBag), tlv(contextConstructed(0), key));
}

describe('PKCS #12 (RFC 7292)', () => {
  it.each(kinds)('comes back as it went out with a key of type %s', (kind) => {
    const { privateKey, certificate } = certified(kind);
    const der = exportPkcs12({ privateKey, certificates: [issuing.certificate, certificate], password: 'secret' });
    const back = importPkcs12(der, 'secret');
    expect(back.privateKey.equals(privateKey)).toBe(true);
    expect(back.certificates).toEqual([certificate, issuing.certificate]);
  });

  it.each(kinds)('made here is read by openssl pkcs12 with a key of type %s', (kind) => {
    const { privateKey, certificate } = certified(kind);
    const der = exportPkcs12({ privateKey, certificates: [certificate, issuing.certificate], password: 'secret' });
    withWorkbench(({ put, run }) => {
      const file = put('bundle.p12', der);
      const text = run('openssl', 'pkcs12', '-in', file, '-passin', 'pass:secret', '-nodes', '-info');
      expect(text).toContain('MAC: sha256, Iteration 10000');
      expect(text).toContain('PBES2, PBKDF2, AES-256-CBC, Iteration 10000, PRF hmacWithSHA256');
      expect(text).toContain(pemFromDer('CERTIFICATE', certificate.der));
      expect(text).toContain(pemOf(privateKey));
    });
  });

  it.each([
    ['EC P-256', []],
    ['Ed25519', []],
    ['RSA 2048', []],
    ['EC P-256', ['-legacy', '-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES', '-macalg', 'sha1']],
    ['RSA 2048', ['-keypbe', 'AES-128-CBC', '-certpbe', 'NONE', '-macalg', 'sha512']],
  ] as const)('made by openssl pkcs12 -export is read here: %s %j', (kind, options) => {
    const { privateKey, certificate } = certified(kind);
    withWorkbench(({ put, path, run }) => {
      const chain = put(
        'chain.pem',
        pemFromDer('CERTIFICATE', certificate.der) + pemFromDer('CERTIFICATE', issuing.certificate.der),
      );
      const key = put('key.pem', pemOf(privateKey));
      const out = path('bundle.p12');
      run(
        'openssl',
        'pkcs12',
        '-export',
        '-in',
        chain,
        '-inkey',
        key,
        '-out',
        out,
        '-passout',
        'pass:secret',
        ...options,
      );
      const { privateKey: back, certificates } = importPkcs12(readFileSync(out), 'secret');
      expect(back.equals(privateKey)).toBe(true);
      expect(certificates).toEqual([certificate, issuing.certificate]);
      expect(verifySignedBy(certificate, issuing.certificate)).toBe(true);
    });
  });

  it.each(['cert-key-aes256cbc.p12', 'cert-none-key-none.p12', 'cert-rc2-key-3des.p12'])(
    'made by others is read here: %s',
    (name) => {
      const { privateKey, certificates } = importPkcs12(vector(`pkcs12/${name}`), 'cryptography');
      expect(privateKey.asymmetricKeyType).toBe('ec');
      expect(certificates.map(({ subject }) => subject.text)).toEqual(['CN=cryptography CA,C=US']);
    },
  );

  it('is refused with a clear error for a wrong password', () => {
    const { privateKey, certificate } = certified('EC P-256');
    const der = exportPkcs12({ privateKey, certificates: [certificate], password: 'secret' });
    for (const password of ['Secret', '', 'secret '])
      expect(thrownBy(() => importPkcs12(der, password))).toMatchObject({
        type: 'invalid-request',
        message: 'The password does not open the PKCS #12 file, or the file was changed.',
      });
  });

  it('is refused when one bit of it was changed', () => {
    const { privateKey, certificate } = certified('EC P-256');
    const der = exportPkcs12({ privateKey, certificates: [certificate], password: 'secret' });
    der[der.length >> 1] = (der[der.length >> 1] ?? 0) ^ 1;
    expect(thrownBy(() => importPkcs12(der, 'secret'))).toMatchObject({ type: 'invalid-request' });
  });

  it.each([
    ['no private key', vector('pkcs12/cert-aes256cbc-no-key.p12'), 'holds no private key'],
    ['something else', Buffer.from('not PKCS #12'), 'This is not a PKCS #12 file'],
    ['an empty sequence', sequence(), 'has no MAC'],
    ['more than 1 MiB', Buffer.alloc(1024 * 1024 + 1), 'the limit is 1048576'],
  ])('is refused when it holds %s', (_case, der, reason) => {
    expect(thrownBy(() => importPkcs12(der, 'cryptography'))).toMatchObject({
      type: 'invalid-request',
      message: expect.stringContaining(reason),
    });
  });

  it('is refused without a MAC, which alone proves the password', () => {
    const { privateKey, certificate } = certified('EC P-256');
    withWorkbench(({ put, path, run }) => {
      const certificateFile = put('cert.pem', pemFromDer('CERTIFICATE', certificate.der));
      const key = put('key.pem', pemOf(privateKey));
      const out = path('bundle.p12');
      run(
        'openssl',
        'pkcs12',
        '-export',
        '-nomac',
        '-in',
        certificateFile,
        '-inkey',
        key,
        '-out',
        out,
        '-passout',
        'pass:a',
      );
      expect(() => importPkcs12(readFileSync(out), 'a')).toThrow('has no MAC');
    });
  });

  it('is refused when its MAC asks for more than a million iterations, before one is made', () => {
    const macData = sequence(sequence(), octetString(Buffer.alloc(8)), integer(2 ** 31 - 1));
    const hostile = sequence(integer(3), sequence(), macData);
    expect(() => importPkcs12(hostile, 'secret')).toThrow('asks for 2147483647 iterations, the limit is 1000000');
  });

  it.each([
    ['its contents', encryptedContent(sequence(), 2 ** 31 - 1)],
    ['a key in the open', plainContent(sequence(keyBagOf(2 ** 31 - 1)))],
    ['a key inside encrypted contents', encryptedContent(sequence(keyBagOf(2 ** 31 - 1)), 1)],
  ])('is refused when the encryption of %s asks for more than a million iterations', (_case, content) => {
    const macData = sequence(sequence(), octetString(Buffer.alloc(8)), integer(1));
    const hostile = sequence(integer(3), plainContent(sequence(content)), macData);
    expect(() => importPkcs12(hostile, 'secret')).toThrow('asks for 2147483647 iterations, the limit is 1000000');
  });

  it('is neither read nor made with a password outside ASCII', () => {
    const { privateKey, certificate } = certified('EC P-256');
    expect(() => importPkcs12(Buffer.alloc(0), 'pässword')).toThrow('characters outside ASCII');
    expect(() => exportPkcs12({ privateKey, certificates: [certificate], password: 'pässword' })).toThrow('ASCII');
    expect(() => exportPkcs12({ privateKey, certificates: [certificate], password: '' })).toThrow('ASCII');
  });

  it('is not made without the certificate of its key', () => {
    const { device } = makeSite();
    const { privateKey } = device;
    expect(() => exportPkcs12({ privateKey, certificates: [issuing.certificate], password: 'a' })).toThrow(
      'none was given',
    );
    expect(() => exportPkcs12({ privateKey, certificates: [], password: 'a' })).toThrow('none was given');
  });
});
