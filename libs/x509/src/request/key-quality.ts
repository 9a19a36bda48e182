import { oid } from '../der/oid.js';
import { nullValue, sequence } from '../der/writer.js';
import { certificateDocument, requestDocument } from '../documents.js';
import { oids } from '../oids.js';
import {
  type KeyDescription,
  keyText,
  type PublicKeyInfo,
  readPublicKeyInfo,
  readRsaPublicKey,
} from '../public-key.js';
import { isOnCurve, namedCurve } from './elliptic-curve.js';
import { exponentFault, exponentWeakness, modulusFault } from './rsa-quality.js';

const minimumRsaBits = 2048;
const maximumRsaBits = 4096;
/** Other CAs have roots with up to this many bits. With more, checking a signature and the key takes too long. */
const maximumForeignRsaBits = 8192;

/** The error in the kind or size of a key, as the continuation of "it …"; undefined when there is none. Very fast. */
export function keySizeFault({ key, publicKey }: PublicKeyInfo): string | undefined {
  switch (key.type) {
    case 'ed25519':
      return undefined;
    case 'ec':
      return key.curve === 'P-256' || key.curve === 'P-384'
        ? undefined
        : `has an EC key on the curve ${key.curve}; use P-256 or P-384, named and not spelled out`;
    case 'rsa':
      return rsaSizeFault(key.bits) ?? exponentFault(readRsaPublicKey(publicKey, requestDocument).exponent);
    case 'other':
      return `has a key of the type ${key.oid}; use EC P-256, EC P-384, Ed25519 or RSA ${minimumRsaBits}`;
    default:
      return key satisfies never;
  }
}

function rsaSizeFault(bits: number): string | undefined {
  if (bits < minimumRsaBits) return `has an RSA key of ${bits} bits; use ${minimumRsaBits} or more`;
  if (bits > maximumRsaBits) return `has an RSA key of ${bits} bits; use ${maximumRsaBits} or fewer`;
  return bits % 8 === 0 ? undefined : `has an RSA key of ${bits} bits, which is not a multiple of 8`;
}

/** A key from a certificate: its description, and its SubjectPublicKeyInfo. */
interface CertifiedKey {
  readonly key: KeyDescription;
  readonly spki: Buffer;
}

/** Results by the buffer of the SubjectPublicKeyInfo, so they live as long as the certificate. */
const knownWeaknesses = new WeakMap<Buffer, { readonly weakness: string | undefined }>();

/**
 * The reason why the key of a certificate is unsafe, as the continuation of "it …"; undefined when it is safe. Used for
 * every key that trust depends on: of a peer, of each CA above it, of trusted CAs, of a server. Enrolment checks this
 * and more (`keyFault`). Takes up to 4 ms for RSA, once for each parsed certificate.
 */
export function keyWeakness({ key, spki }: CertifiedKey): string | undefined {
  const weakness = kindWeakness(key);
  if (weakness !== undefined) return weakness;
  const known = knownWeaknesses.get(spki) ?? { weakness: valueWeakness(readPublicKeyInfo(spki, certificateDocument)) };
  knownWeaknesses.set(spki, known);
  return known.weakness;
}

const safeCurves: ReadonlySet<string> = new Set(['P-256', 'P-384', 'P-521']);

function kindWeakness(key: KeyDescription): string | undefined {
  switch (key.type) {
    case 'ed25519':
      return undefined;
    case 'ec':
      return safeCurves.has(key.curve)
        ? undefined
        : `has an EC key on the curve ${key.curve}; P-256, P-384 or P-521 is needed, named and not spelled out`;
    case 'rsa':
      if (key.bits < minimumRsaBits) return `has an RSA key of ${key.bits} bits; ${minimumRsaBits} or more are needed`;
      return key.bits <= maximumForeignRsaBits
        ? undefined
        : `has an RSA key of ${key.bits} bits; ${maximumForeignRsaBits} is the most that is checked`;
    case 'other':
      return `has a key of the type ${key.oid}; EC, Ed25519 or RSA is needed`;
    default:
      return key satisfies never;
  }
}

function valueWeakness(info: PublicKeyInfo): string | undefined {
  const { key, publicKey } = info;
  // A compressed point is always on the curve. Otherwise OpenSSL does not accept it as a key.
  if (key.type === 'ec' && isCompressed(publicKey, key.curve)) return undefined;
  const exponent = key.type === 'rsa' ? readRsaPublicKey(publicKey, certificateDocument).exponent : undefined;
  return (exponent && exponentWeakness(exponent)) ?? keyValueFault(info);
}

function isCompressed(point: Buffer, curveName: string): boolean {
  const [form] = point;
  return (form === 0x02 || form === 0x03) && point.length === 1 + namedCurve(curveName).octets;
}

/**
 * The reason why we issue no certificate for a public key, as the continuation of "it …"; undefined when we do. It
 * checks everything that goodkey of Boulder and the parser of Go check. It finds everything that `keyWeakness` finds.
 */
export function keyFault(spki: Buffer): string | undefined {
  const info = readPublicKeyInfo(spki, requestDocument);
  return keySizeFault(info) ?? algorithmFault(info) ?? keyValueFault(info);
}

/** By the name that `keyText` gives a key; RSA of any size is `RSA`. */
const algorithmIdentifiers: ReadonlyMap<string, Buffer> = new Map([
  ['EC P-256', sequence(oid(oids.ecPublicKey), oid(oids.prime256v1))],
  ['EC P-384', sequence(oid(oids.ecPublicKey), oid(oids.secp384r1))],
  ['Ed25519', sequence(oid(oids.ed25519))],
  ['RSA', sequence(oid(oids.rsaEncryption), nullValue())],
]);

/** The key is copied into the certificate, so its AlgorithmIdentifier must be encoded as the standards say. */
function algorithmFault({ key, algorithmIdentifier }: PublicKeyInfo): string | undefined {
  const expected = algorithmIdentifiers.get(key.type === 'rsa' ? 'RSA' : keyText(key));
  return expected?.equals(algorithmIdentifier) ? undefined : `has a key ${keyText(key)} with unusual parameters`;
}

function keyValueFault({ key, publicKey }: PublicKeyInfo): string | undefined {
  if (key.type === 'ec') return pointFault(publicKey, key.curve);
  if (key.type === 'ed25519') return ed25519Fault(publicKey);
  return modulusFault(readRsaPublicKey(publicKey, requestDocument).modulus);
}

/** SEC 1 §2.3.3: 04, x and y. RFC 5480 §2.2 allows compressed points, but none of our peers sends one. */
function pointFault(point: Buffer, curveName: string): string | undefined {
  const curve = namedCurve(curveName);
  if (point.length === 1) return 'has an EC key that is the point at infinity';
  if (point[0] !== 0x04) return 'has an EC key in compressed form; use the uncompressed one';
  if (point.length !== 1 + 2 * curve.octets)
    return `has an EC key of ${point.length} octets, which ${curveName} has not`;
  const isGood = isOnCurve(curve, point.subarray(1, 1 + curve.octets), point.subarray(1 + curve.octets));
  return isGood ? undefined : `has an EC key that is not a point of ${curveName}`;
}

/** Encodings of the points of small order, and their non-canonical twins, without the sign bit (RFC 8032 §5.1.2). */
const smallOrderPoints: ReadonlySet<string> = new Set([
  '0000000000000000000000000000000000000000000000000000000000000000',
  '0100000000000000000000000000000000000000000000000000000000000000',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
]);

function ed25519Fault(publicKey: Buffer): string | undefined {
  if (publicKey.length !== 32) return `has an Ed25519 key of ${publicKey.length} octets, not 32`;
  const withoutSign = Buffer.from(publicKey);
  withoutSign[31] = (withoutSign[31] ?? 0) & 0x7f;
  return smallOrderPoints.has(withoutSign.toString('hex')) ? 'has an Ed25519 key of small order' : undefined;
}
