import { Problem } from '@sallyport/protocol';
import { readOid } from '../der/oid.js';
import { readBitString, readSmallInteger } from '../der/primitives.js';
import { DerReader } from '../der/reader.js';
import { readString } from '../der/strings.js';
import { contextConstructed, tags } from '../der/tags.js';
import { requestDocument } from '../documents.js';
import { decodeExtensions, type Extension, readExtensions } from '../extensions.js';
import type { SubjectAltName } from '../general-name.js';
import { type Name, readName } from '../name.js';
import { oids } from '../oids.js';
import { type KeyDescription, readPublicKeyInfo } from '../public-key.js';
import { isSignatureValid, readSignatureAlgorithm, signatureFault, signingRemedy } from '../signature.js';
import { keySizeFault } from './key-quality.js';

/** A PKCS #10 certification request (RFC 2986). Buffers are views of the DER it was parsed from: do not write to them. */
export interface CertificateRequest {
  readonly der: Buffer;
  readonly subject: Name;
  /** SubjectPublicKeyInfo. */
  readonly spki: Buffer;
  readonly key: KeyDescription;
  readonly signatureAlgorithm: string;
  readonly challengePassword?: string;
  /** As asked for, repeated ones included; nothing of it is ever copied into a certificate. */
  readonly requestedExtensions: readonly Extension[];
  readonly subjectAltNames: readonly SubjectAltName[];
  readonly keyUsages?: readonly string[];
  readonly extendedKeyUsages?: readonly string[];
  /** Whether it asks for a CA certificate. */
  readonly isCa: boolean;
  /** Attributes nobody here reads, dotted, for the audit log. */
  readonly ignoredAttributes: readonly string[];
  /** What the signature covers. */
  readonly requestInfo: Buffer;
  readonly signature: Buffer;
}

/** Ten times what a request of ours has; RSA 4096 with a hundred names stays below. */
const maximumBytes = 16 * 1024;

/**
 * Parses a certification request, strictly: DER, version 0, nothing after it. Proves nothing: see `verifyPossession`.
 *
 * @throws Problem `csr-rejected`: says which byte breaks which rule.
 * @see RFC 2986 §4
 */
export function parseCertificateRequest(der: Uint8Array): CertificateRequest {
  if (der.byteLength > maximumBytes)
    throw new Problem('csr-rejected', `CSR rejected: it has ${der.byteLength} bytes, the limit is ${maximumBytes}.`);
  const reader = new DerReader(der, requestDocument);
  reader.enter(tags.sequence);
  const start = reader.position;
  const fields = readRequestInfo(reader);
  const requestInfo = reader.since(start);
  const signatureAlgorithm = readSignatureAlgorithm(reader.readElement(tags.sequence), requestDocument);
  const signature = readBitString(reader);
  reader.leave();
  reader.finish();
  return { der: reader.bytes, ...fields, requestInfo, signatureAlgorithm, signature };
}

function readRequestInfo(reader: DerReader) {
  reader.enter(tags.sequence);
  if (readSmallInteger(reader) !== 0)
    reader.refuse('is a version that is not 0', 'with version 0, the only one of PKCS #10');
  const subject = readName(reader);
  const spki = reader.readElement(tags.sequence);
  const attributes = readAttributes(reader);
  reader.leave();
  const decoded = decodeExtensions(attributes.requestedExtensions, requestDocument);
  return {
    subject,
    spki,
    key: readPublicKeyInfo(spki, requestDocument).key,
    ...attributes,
    ...decoded,
    subjectAltNames: decoded.subjectAltNames ?? [],
    isCa: decoded.isCa ?? false,
  };
}

interface Attributes {
  readonly challengePassword?: string;
  readonly requestedExtensions: readonly Extension[];
  readonly ignoredAttributes: readonly string[];
}

/** RFC 2986 §4.1: a set that may be empty; some writers leave an empty one out, and OpenSSL lets them. */
function readAttributes(reader: DerReader): Attributes {
  let challengePassword: string | undefined;
  const requestedExtensions: Extension[] = [];
  const seen = new Set<string>();
  const ignoredAttributes: string[] = [];
  if (reader.isAtEnd) return { requestedExtensions, ignoredAttributes };
  reader.enter(contextConstructed(0));
  while (!reader.isAtEnd) {
    reader.enter(tags.sequence);
    const type = readOid(reader);
    if (seen.has(type))
      reader.refuse(`belongs to the attribute ${type}, which stands twice`, 'with each attribute once');
    seen.add(type);
    if (type === oids.challengePassword) challengePassword = readOnlyValue(reader, readPassword);
    // Both count, in a request that holds both: OpenSSL reads either, and nothing asked for may go unseen.
    else if (type === oids.extensionRequest || type === oids.microsoftExtensionRequest)
      requestedExtensions.push(...readOnlyValue(reader, readExtensions));
    else ignoredAttributes.push(skipValues(reader, type));
    reader.leave();
  }
  reader.leave();
  const attributes = { requestedExtensions, ignoredAttributes };
  return challengePassword === undefined ? attributes : { ...attributes, challengePassword };
}

/** RFC 2985 §5.4.1 and §5.4.2: both attributes are SINGLE VALUE. */
function readOnlyValue<Value>(reader: DerReader, readValue: (reader: DerReader) => Value): Value {
  reader.enter(tags.set);
  const value = readValue(reader);
  if (!reader.isAtEnd)
    reader.refuse('is followed by a second value, and the attribute has one', 'with one value in each attribute');
  reader.leave();
  return value;
}

function readPassword(reader: DerReader): string {
  return (
    readString(reader) ??
    reader.refuse('is a challenge password that is not a string', 'with a text there, or without one')
  );
}

function skipValues(reader: DerReader, type: string): string {
  reader.skip(tags.set);
  return type;
}

/**
 * Proves that whoever made the request holds its private key.
 *
 * @throws Problem `csr-rejected`: the signature does not hold, or its algorithm or key is one we do not accept
 *   (MD5, SHA-1, DSA, RSA below 2048 bits …).
 */
export function verifyPossession(request: CertificateRequest): void {
  const { key, signatureAlgorithm, requestInfo, signature, spki } = request;
  // Judged before any arithmetic: verifying with a huge key or exponent is work the sender would not have to do.
  requireGood(request, keySizeFault(readPublicKeyInfo(spki, requestDocument)));
  if (!isSignatureValid({ content: requestInfo, signature, algorithmName: signatureAlgorithm, spki, key }))
    throw new Problem(
      'csr-rejected',
      'CSR rejected: its signature does not fit its public key. It was changed on the way, or signed with another key; make it again.',
    );
}

/**
 * Refuses a request for its key or the algorithm of its signature, each with the remedy that helps: a new key is no
 * remedy for a signature with SHA-1.
 *
 * @param keyFault  what is wrong with the key, continuing "it …".
 * @throws Problem `csr-rejected`
 */
export function requireGood({ key, signatureAlgorithm }: CertificateRequest, keyFault: string | undefined): void {
  const faults = [signatureFault(signatureAlgorithm, key), keyFault].filter((fault) => fault !== undefined);
  if (faults.length === 0) return;
  const remedy = keyFault === undefined ? signingRemedy(key) : 'Make a new key and send the CSR again.';
  throw new Problem('csr-rejected', `CSR rejected: it ${faults.join(', and ')}. ${remedy}`);
}
