import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { ecKeyPair, spkiOf } from '../authority.fixture.js';
import { oid } from '../der/oid.js';
import { contextConstructed } from '../der/tags.js';
import { bitString, integer, nullValue, sequence, tlv, unsignedInteger } from '../der/writer.js';
import { parseCertificateRequest, verifyPossession } from '../index.js';
import { oids } from '../oids.js';
import { signerFor } from '../signature.js';
import { keyFault } from './key-quality.js';

const octets = (value: bigint) =>
  Buffer.from(value.toString(16).padStart(2 * Math.ceil(value.toString(16).length / 2), '0'), 'hex');
const rsaSpki = (n: bigint, e = 65537n) =>
  sequence(
    sequence(oid(oids.rsaEncryption), nullValue()),
    bitString(sequence(unsignedInteger(octets(n)), unsignedInteger(octets(e)))),
  );
const ecSpki = (curve: string, point: Buffer) =>
  sequence(sequence(oid(oids.ecPublicKey), oid(curve)), bitString(point));
const ed25519Spki = (key: string) => sequence(sequence(oid(oids.ed25519)), bitString(Buffer.from(key, 'hex')));

/** Modulus of a good key with this number of bits. */
function goodModulus(bits = 2048): bigint {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  return BigInt(`0x${Buffer.from(publicKey.export({ format: 'jwk' }).n ?? '', 'base64url').toString('hex')}`);
}

describe('the quality of RSA keys', () => {
  const good = goodModulus();

  it.each([2048, 3072])('takes %d bits with the exponent 65537', (bits) => {
    expect(keyFault(rsaSpki(goodModulus(bits)))).toBeUndefined();
  });

  it.each([
    ['1024 bits', good >> 1024n, 'RSA key of 1024 bits; use 2048 or more'],
    ['2047 bits', good >> 1n, 'RSA key of 2047 bits; use 2048 or more'],
    ['2056 bits less one', good << 7n, 'RSA key of 2055 bits, which is not a multiple of 8'],
    ['8192 bits', good << 6144n, 'RSA key of 8192 bits; use 4096 or fewer'],
    ['an even modulus', good - 1n, 'whose modulus has a small factor'],
  ])('refuses %s', (_case, n, fault) => {
    expect(keyFault(rsaSpki(n))).toContain(fault);
  });

  it.each([1n, 3n, 65535n, 65538n, (1n << 256n) + 1n])('refuses the exponent %d', (e) => {
    expect(keyFault(rsaSpki(good, e))).toMatch(/with (?:the|an) exponent/);
  });

  it('refuses an exponent as long as the modulus before it verifies anything, which would take 30 ms', () => {
    const signer = signerFor(ecKeyPair().privateKey);
    const info = sequence(integer(0), sequence(), rsaSpki(good, good), tlv(contextConstructed(0)));
    const algorithm = sequence(oid(oids.sha256WithRsa), nullValue());
    const request = parseCertificateRequest(sequence(info, algorithm, bitString(signer.sign(info))));
    expect(() => verifyPossession(request)).toThrow('an exponent that is even or too large');
  });

  it.each([3n, 5n, 743n, 751n])('refuses a modulus with the factor %d', (factor) => {
    const multiple = (((1n << 2048n) - 1n) / factor / 2n) * 2n * factor - factor;
    expect(keyFault(rsaSpki(multiple | 1n))).toContain('small factor');
  });

  it("refuses a modulus with the fingerprint of Infineon's library (ROCA)", () => {
    // A broken modulus is a power of 65537 modulo the product of the first primes. 65537 itself is the simplest one.
    let primorial = 1n;
    for (const prime of primesUpTo(167)) primorial *= prime;
    let n = ((1n << 2047n) / primorial + 1n) * primorial + 65537n;
    while (n % 2n === 0n || primesUpTo(751).some((prime) => n % prime === 0n)) n += primorial;
    expect(keyFault(rsaSpki(n))).toContain('ROCA');
  });

  it('refuses a modulus of two primes that are close together', () => {
    // The first two primes above 2^1023.5 are so close that Fermat's method factors their product in the first round.
    const p = nextProbablePrime((1n << 1023n) + (1n << 1022n));
    const q = nextProbablePrime(p + 2n);
    expect(keyFault(rsaSpki(p * q))).toContain('primes are too close together');
    expect(keyFault(rsaSpki(p * p))).toContain('primes are too close together');
  });

  it.each([oids.rsaEncryption, oids.dsa])('is not read when the algorithm %s has two parameters', (algorithm) => {
    const spki = sequence(sequence(oid(algorithm), nullValue(), nullValue()), bitString(Buffer.alloc(1)));
    expect(() => keyFault(spki)).toThrow('of the public key is more than what holds it allows');
  });

  it('refuses an algorithm identifier without the NULL that belongs there', () => {
    const bare = sequence(
      sequence(oid(oids.rsaEncryption)),
      bitString(sequence(unsignedInteger(octets(good)), unsignedInteger(octets(65537n)))),
    );
    expect(keyFault(bare)).toBe('has a key RSA 2048 with unusual parameters');
  });
});

describe('the quality of EC keys', () => {
  it.each(['P-256', 'P-384'])('takes a point of %s', (curve) => {
    expect(keyFault(spkiOf(ecKeyPair(curve).publicKey))).toBeUndefined();
  });

  it.each([
    ['P-192', 'prime192v1'],
    ['P-224', 'secp224r1'],
    ['P-521', 'secp521r1'],
    ['secp256k1', 'secp256k1'],
  ])('refuses the curve %s', (name, curve) => {
    expect(keyFault(spkiOf(ecKeyPair(curve).publicKey))).toContain(`on the curve ${name}`);
  });

  it('refuses spelled-out curve parameters', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' });
    expect(keyFault(spkiOf(publicKey))).toContain('on the curve explicit');
  });

  const point = spkiOf(ecKeyPair().publicKey).subarray(-65);
  const change = (offset: number, byte: number) => {
    const changed = Buffer.from(point);
    changed[offset] = byte;
    return changed;
  };
  it.each([
    ['off the curve', change(64, (point[64] ?? 0) ^ 1), 'is not a point of P-256'],
    [
      'with a coordinate that is no field element',
      Buffer.concat([Buffer.of(4), Buffer.alloc(64, 0xff)]),
      'is not a point',
    ],
    ['in compressed form', Buffer.concat([Buffer.of(2), point.subarray(1, 33)]), 'in compressed form'],
    ['in hybrid form', change(0, 6), 'in compressed form'],
    ['at infinity', Buffer.of(0), 'the point at infinity'],
    ['of the wrong length', point.subarray(0, 64), 'of 64 octets'],
    ['at the origin', Buffer.concat([Buffer.of(4), Buffer.alloc(64)]), 'is not a point of P-256'],
  ])('refuses a point %s', (_case, octetString, fault) => {
    expect(keyFault(ecSpki(oids.prime256v1, octetString))).toContain(fault);
  });
});

describe('the quality of Ed25519 keys', () => {
  it('takes a fresh one', () => {
    expect(keyFault(spkiOf(generateKeyPairSync('ed25519').publicKey))).toBeUndefined();
  });

  it.each([
    '0000000000000000000000000000000000000000000000000000000000000000',
    '0100000000000000000000000000000000000000000000000000000000000080',
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',
    'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  ])('refuses the point of small order %s', (key) => {
    expect(keyFault(ed25519Spki(key))).toBe('has an Ed25519 key of small order');
  });

  it('refuses a key that has not 32 octets', () => {
    expect(keyFault(ed25519Spki('00'.repeat(31)))).toBe('has an Ed25519 key of 31 octets, not 32');
  });
});

it.each(['dsa', 'x25519', 'ed448'] as const)('a key of the type %s is refused', (type) => {
  const { publicKey } =
    type === 'dsa'
      ? generateKeyPairSync('dsa', { modulusLength: 1024, divisorLength: 160 })
      : type === 'x25519'
        ? generateKeyPairSync('x25519')
        : generateKeyPairSync('ed448');
  expect(keyFault(spkiOf(createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }))))).toContain(
    'a key of the type',
  );
});

function primesUpTo(limit: number): bigint[] {
  const primes: number[] = [];
  for (let candidate = 3; candidate <= limit; candidate += 2)
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  return primes.map(BigInt);
}

/** The test needs only a number without small factors. The check does not depend on whether it is prime. */
function nextProbablePrime(from: bigint): bigint {
  let candidate = from | 1n;
  while (primesUpTo(751).some((prime) => candidate % prime === 0n)) candidate += 2n;
  return candidate;
}
