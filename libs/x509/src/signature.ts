import { constants, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import { oid, readOid } from './der/oid.js';
import { type DerDocument, DerReader } from './der/reader.js';
import { contextConstructed, tags } from './der/tags.js';
import { nullValue, sequence } from './der/writer.js';
import { oids } from './oids.js';
import type { KeyDescription } from './public-key.js';

/** A signature algorithm that this library can sign or verify with. */
interface SignatureAlgorithm {
  readonly name: string;
  readonly oid: string;
  readonly keyType: 'ec' | 'rsa' | 'ed25519';
  /** Digest for node:crypto; undefined for Ed25519, which needs none. */
  readonly hash: string | null;
  /** RFC 3279 §2.2.1 and RFC 4055 §5 require NULL for RSA; RFC 5758 §3.2 and RFC 8410 §3 require no parameters. */
  readonly hasNullParameters: boolean;
}

const ecdsa = (hash: string, name: string, oid: string): SignatureAlgorithm => ({
  name,
  oid,
  keyType: 'ec',
  hash,
  hasNullParameters: false,
});

const rsa = (hash: string, name: string, oid: string): SignatureAlgorithm => ({
  name,
  oid,
  keyType: 'rsa',
  hash,
  hasNullParameters: true,
});

const algorithms = {
  ecdsaWithSha256: ecdsa('sha256', 'ecdsa-with-SHA256', oids.ecdsaWithSha256),
  ecdsaWithSha384: ecdsa('sha384', 'ecdsa-with-SHA384', oids.ecdsaWithSha384),
  ecdsaWithSha512: ecdsa('sha512', 'ecdsa-with-SHA512', oids.ecdsaWithSha512),
  sha256WithRsa: rsa('sha256', 'sha256WithRSAEncryption', oids.sha256WithRsa),
  sha384WithRsa: rsa('sha384', 'sha384WithRSAEncryption', oids.sha384WithRsa),
  sha512WithRsa: rsa('sha512', 'sha512WithRSAEncryption', oids.sha512WithRsa),
  ed25519: { name: 'Ed25519', oid: oids.ed25519, keyType: 'ed25519', hash: null, hasNullParameters: false },
} as const satisfies Record<string, SignatureAlgorithm>;

const algorithmByName: ReadonlyMap<string, SignatureAlgorithm> = new Map(
  Object.values(algorithms).map((algorithm) => [algorithm.name, algorithm]),
);

/** Algorithms that we recognise for messages and for the refusal `weak-signature`, but never verify with. */
const refusedNames: ReadonlyMap<string, string> = new Map([
  [oids.md2WithRsa, 'md2WithRSAEncryption'],
  [oids.md4WithRsa, 'md4WithRSAEncryption'],
  [oids.md5WithRsa, 'md5WithRSAEncryption'],
  [oids.sha1WithRsa, 'sha1WithRSAEncryption'],
  [oids.sha224WithRsa, 'sha224WithRSAEncryption'],
  [oids.ecdsaWithSha1, 'ecdsa-with-SHA1'],
  [oids.ecdsaWithSha224, 'ecdsa-with-SHA224'],
  [oids.dsaWithSha1, 'dsa-with-SHA1'],
  [oids.dsaWithSha256, 'dsa-with-SHA256'],
  [oids.ed448, 'Ed448'],
]);

const nameByOid: ReadonlyMap<string, string> = new Map([
  ...refusedNames,
  ...Object.values(algorithms).map(({ oid, name }): [string, string] => [oid, name]),
]);

const pssHashNames: ReadonlyMap<string, string> = new Map([
  [oids.sha256, 'SHA256'],
  [oids.sha384, 'SHA384'],
  [oids.sha512, 'SHA512'],
]);

/**
 * RSASSA-PSS is verified on certificates of others. We do not sign with it or accept it in requests. Digest by our
 * name.
 */
const pssHashes: ReadonlyMap<string, string> = new Map(
  [...pssHashNames.values()].map((hash) => [`rsassaPss-${hash}`, hash.toLowerCase()]),
);

const strongNames: ReadonlySet<string> = new Set([...algorithmByName.keys(), ...pssHashes.keys(), 'Ed448']);

/** Whether the algorithm uses SHA-256 or better. An unknown algorithm is not strong. */
export function isStrongSignature(algorithmName: string): boolean {
  return strongNames.has(algorithmName);
}

/**
 * Name of the algorithm in an AlgorithmIdentifier, such as `ecdsa-with-SHA256`, `sha256WithRSAEncryption`,
 * `rsassaPss-SHA256` or `Ed25519`; the dotted identifier if it is unknown.
 */
export function readSignatureAlgorithm(algorithmIdentifier: Uint8Array, document: DerDocument): string {
  const reader = new DerReader(algorithmIdentifier, document, 'the signature algorithm');
  reader.enter(tags.sequence);
  const identifier = readOid(reader);
  if (identifier === oids.rsassaPss) return `rsassaPss-${readPssHash(reader)}`;
  const name = nameByOid.get(identifier) ?? identifier;
  const algorithm = algorithmByName.get(name);
  if (algorithm !== undefined && !reader.isAtEnd) readNullParameters(reader, algorithm);
  return name;
}

function readNullParameters(reader: DerReader, { hasNullParameters, name }: SignatureAlgorithm): void {
  if (!hasNullParameters) reader.refuse(`is a parameter, and ${name} takes none`, 'without it');
  if (reader.readContent(tags.null).length > 0) reader.refuse('is a NULL that is not empty', 'with an empty one');
  reader.leave();
}

/** RFC 4055 §3.1: `hashAlgorithm [0]`, SHA-1 when absent. */
function readPssHash(reader: DerReader): string {
  if (reader.nextTag !== tags.sequence) return 'SHA1';
  reader.enter(tags.sequence);
  if (reader.nextTag !== contextConstructed(0)) return 'SHA1';
  reader.enter(contextConstructed(0));
  reader.enter(tags.sequence);
  const hash = readOid(reader);
  return pssHashNames.get(hash) ?? hash;
}

/** Why an algorithm cannot be used with a key, as the end of a sentence; undefined when it can. */
export function signatureFault(algorithmName: string, key: KeyDescription): string | undefined {
  const algorithm = algorithmByName.get(algorithmName);
  if (algorithm === undefined) return `uses ${algorithmName}, which is not accepted`;
  return algorithm.keyType === key.type ? undefined : `uses ${algorithmName}, which does not fit the key`;
}

/** Advice for a requester whose key is good but whose algorithm is not, as a sentence. */
export function signingRemedy({ type }: KeyDescription): string {
  const names = Object.values(algorithms).flatMap(({ keyType, name }) => (keyType === type ? [name] : []));
  return `Keep the key, and sign the CSR again with it and ${names.join(', ').replace(/, ([^,]+)$/, ' or $1')}.`;
}

/** A signature, the bytes that it covers, and the key that should have made it. */
interface Signed {
  readonly content: Buffer;
  readonly signature: Buffer;
  readonly algorithmName: string;
  readonly spki: Buffer;
  readonly key: KeyDescription;
  /** The key in `spki`, if it has already been imported. */
  readonly publicKey?: KeyObject;
}

/**
 * Checks a signature with the native implementation.
 *
 * @returns false also for a key that OpenSSL cannot use (a point that is not on its curve), for an algorithm that we do
 *   not accept, and for one that does not fit the key.
 */
export function isSignatureValid(signed: Signed): boolean {
  const { content, signature, algorithmName, key } = signed;
  try {
    const pssHash = pssHashes.get(algorithmName);
    // Check this first. With a key that is not RSA, node:crypto ignores the padding and verifies another kind of
    // signature.
    if (pssHash !== undefined) return isRsa(key) && verify(pssHash, content, pssKey(signed), signature);
    const algorithm = algorithmByName.get(algorithmName);
    return algorithm?.keyType === key.type && verify(algorithm.hash, content, keyOf(signed), signature);
  } catch {
    // OpenSSL throws for a malformed key, and returns false for a wrong signature. In both cases the signature is not
    // valid.
    return false;
  }
}

function isRsa(key: KeyDescription): boolean {
  return key.type === 'rsa' || (key.type === 'other' && key.oid === oids.rsassaPss);
}

/**
 * The signer chooses the length of the salt (RFC 8017 §9.1.2). The mask uses the same digest, as in all
 * implementations.
 */
function pssKey({ publicKey, spki }: Signed) {
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_AUTO: saltLength } = constants;
  return { key: publicKey ?? importPublicKey(spki), padding, saltLength };
}

function keyOf({ publicKey, spki }: Signed): KeyObject | string {
  return publicKey ?? publicKeyPem(spki);
}

/** Imports a key for many checks. Throws the error of OpenSSL for a key that it cannot use. */
export function importPublicKey(spki: Buffer): KeyObject {
  return createPublicKey(publicKeyPem(spki));
}

/**
 * Uses PEM although we have the key in DER. If it gets an object, Node 24.21 first tries four kinds of key, and each
 * failure is an exception with a stack trace. With PEM, verifying a P-256 request takes half the time.
 */
function publicKeyPem(spki: Buffer): string {
  const base64 = spki.toString('base64');
  let pem = '-----BEGIN PUBLIC KEY-----\n';
  for (let start = 0; start < base64.length; start += 64) pem += `${base64.slice(start, start + 64)}\n`;
  return `${pem}-----END PUBLIC KEY-----\n`;
}

/** Signs to-be-signed structures with one key. */
export interface TbsSigner {
  readonly algorithmName: string;
  /** AlgorithmIdentifier. It is inside the structure, and again beside the signature. */
  readonly algorithmIdentifier: Buffer;
  /** The signature over `content`, as the content of a BIT STRING. */
  sign(content: Buffer): Buffer;
}

/**
 * A signer for a private key. The key decides the hash: SHA-384 for P-384, SHA-512 for P-521, otherwise SHA-256.
 *
 * @throws Problem `invalid-request`: not an EC (P-256, P-384, P-521), RSA or Ed25519 private key.
 */
export function signerFor(privateKey: KeyObject): TbsSigner {
  const { name, hash, oid: identifier, hasNullParameters } = algorithmFor(privateKey);
  const parameters = hasNullParameters ? [nullValue()] : [];
  return {
    algorithmName: name,
    algorithmIdentifier: sequence(oid(identifier), ...parameters),
    sign: (content) => sign(hash, content, privateKey),
  };
}

function algorithmFor(privateKey: KeyObject): SignatureAlgorithm {
  const { asymmetricKeyType, asymmetricKeyDetails } = privateKey;
  if (asymmetricKeyType === 'ed25519') return algorithms.ed25519;
  if (asymmetricKeyType === 'rsa') return algorithms.sha256WithRsa;
  const byCurve = asymmetricKeyType === 'ec' ? ecAlgorithms.get(asymmetricKeyDetails?.namedCurve ?? '') : undefined;
  if (privateKey.type === 'private' && byCurve !== undefined) return byCurve;
  throw new Problem(
    'invalid-request',
    'This key cannot sign here: use a private key of EC P-256, EC P-384, RSA or Ed25519.',
  );
}

/** By the names that OpenSSL uses for the curves. */
const ecAlgorithms: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['prime256v1', algorithms.ecdsaWithSha256],
  ['secp384r1', algorithms.ecdsaWithSha384],
  ['secp521r1', algorithms.ecdsaWithSha512],
]);
