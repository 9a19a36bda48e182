import { readOid } from './der/oid.js';
import { readBitString, readUnsignedInteger } from './der/primitives.js';
import { type DerDocument, DerReader } from './der/reader.js';
import { tags } from './der/tags.js';
import { oids } from './oids.js';

/** The kind of a public key, with the details that policies need. */
export type KeyDescription =
  /** `curve`: `P-256`, `P-384`, `P-521` …, a dotted identifier for other curves, `explicit` for explicit parameters. */
  | { readonly type: 'ec'; readonly curve: string }
  | { readonly type: 'ed25519' }
  /** `bits`: length of the modulus. */
  | { readonly type: 'rsa'; readonly bits: number }
  | { readonly type: 'other'; readonly oid: string };

const curveNames: ReadonlyMap<string, string> = new Map([
  [oids.prime192v1, 'P-192'],
  [oids.secp224r1, 'P-224'],
  [oids.prime256v1, 'P-256'],
  [oids.secp384r1, 'P-384'],
  [oids.secp521r1, 'P-521'],
  [oids.secp256k1, 'secp256k1'],
]);

/** A parsed SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). */
export interface PublicKeyInfo {
  readonly key: KeyDescription;
  readonly algorithmIdentifier: Buffer;
  /** Content of the BIT STRING: the point, the 32 octets of Ed25519, or an RSAPublicKey. */
  readonly publicKey: Buffer;
}

/** Reads a SubjectPublicKeyInfo from its DER. */
export function readPublicKeyInfo(spki: Uint8Array, document: DerDocument): PublicKeyInfo {
  const reader = new DerReader(spki, document, 'the public key');
  reader.enter(tags.sequence);
  const start = reader.position;
  reader.enter(tags.sequence);
  const algorithm = readOid(reader);
  const curve = algorithm === oids.ecPublicKey ? readCurve(reader) : undefined;
  // RFC 5280 §4.1.1.2: the parameters are one element, or none.
  if (curve === undefined && !reader.isAtEnd) reader.skip();
  reader.leave();
  const algorithmIdentifier = reader.since(start);
  const publicKey = readBitString(reader);
  reader.leave();
  reader.finish();
  return { key: describeKey(algorithm, curve, publicKey, document), algorithmIdentifier, publicKey };
}

/** RFC 5480 §2.1.1: a named curve; `implicitCurve` and `specifiedCurve` must not be used. */
function readCurve(reader: DerReader): string {
  if (reader.nextTag !== tags.oid) {
    if (!reader.isAtEnd) reader.skip();
    return 'explicit';
  }
  const curve = readOid(reader);
  return curveNames.get(curve) ?? curve;
}

function describeKey(
  algorithm: string,
  curve: string | undefined,
  publicKey: Buffer,
  document: DerDocument,
): KeyDescription {
  if (curve !== undefined) return { type: 'ec', curve };
  if (algorithm === oids.ed25519) return { type: 'ed25519' };
  if (algorithm !== oids.rsaEncryption) return { type: 'other', oid: algorithm };
  return { type: 'rsa', bits: bitLength(readRsaPublicKey(publicKey, document).modulus) };
}

/** Modulus and exponent, unsigned, big-endian, without leading zeros (RFC 8017 §A.1.1). */
export function readRsaPublicKey(
  publicKey: Uint8Array,
  document: DerDocument,
): { readonly modulus: Buffer; readonly exponent: Buffer } {
  const reader = new DerReader(publicKey, document, 'the RSA key');
  reader.enter(tags.sequence);
  const modulus = readUnsignedInteger(reader);
  const exponent = readUnsignedInteger(reader);
  reader.leave();
  reader.finish();
  return { modulus, exponent };
}

function bitLength(magnitude: Buffer): number {
  return magnitude.length * 8 - Math.clz32(magnitude[0] ?? 0) + 24;
}

/** Describes a key: `EC P-256`, `RSA 2048`, `Ed25519`. */
export function keyText(key: KeyDescription): string {
  switch (key.type) {
    case 'ec':
      return `EC ${key.curve}`;
    case 'rsa':
      return `RSA ${key.bits}`;
    case 'ed25519':
      return 'Ed25519';
    case 'other':
      return key.oid;
    default:
      return key satisfies never;
  }
}
