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

/** A PKCS #10 certification request (RFC 2986). The buffers are views of the parsed DER: do not write to them. */
export interface CertificateRequest {
  readonly der: Buffer;
  readonly subject: Name;
  /** SubjectPublicKeyInfo. */
  readonly spki: Buffer;
  readonly key: KeyDescription;
  readonly signatureAlgorithm: string;
  readonly challengePassword?: string;
  /** The requested extensions, including repeated ones. They are never copied into a certificate. */
  readonly requestedExtensions: readonly Extension[];
  readonly subjectAltNames: readonly SubjectAltName[];
  readonly keyUsages?: readonly string[];
  readonly extendedKeyUsages?: readonly string[];
  /** Whether it asks for a CA certificate. */
  readonly isCa: boolean;
  /** Attributes that we do not read, as dotted identifiers, for the audit log. */
  readonly ignoredAttributes: readonly string[];
  /** The bytes that the signature covers. */
  readonly requestInfo: Buffer;
  readonly signature: Buffer;
}

/** Ten times the size of our own requests. A request with RSA 4096 and a hundred names is smaller. */
const maximumBytes = 16 * 1024;

/**
 * Parses a certification request, strictly: DER, version 0, nothing after it. It does not verify the signature: see
 * `verifyPossession`.
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

/** RFC 2986 §4.1: the set may be empty. Some writers omit an empty set, and OpenSSL accepts this. */
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
    // If a request has both, both count. OpenSSL reads either, and we must not miss a requested extension.
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
 * Verifies that the requester has the private key.
 *
 * @throws Problem `csr-rejected`: the signature is not valid, or its algorithm or key is one that we do not accept
 *   (MD5, SHA-1, DSA, RSA below 2048 bits …).
 */
export function verifyPossession(request: CertificateRequest): void {
  const { key, signatureAlgorithm, requestInfo, signature, spki } = request;
  // Check key and algorithm first. Verifying with a huge key or exponent costs us much work and the sender none.
  requireGood(request, keySizeFault(readPublicKeyInfo(spki, requestDocument)));
  if (!isSignatureValid({ content: requestInfo, signature, algorithmName: signatureAlgorithm, spki, key }))
    throw new Problem(
      'csr-rejected',
      'CSR rejected: its signature does not fit its public key. It was changed on the way, or signed with another key; make it again.',
    );
}

/**
 * Refuses a request because of its key or its signature algorithm. Each message gives the right advice: for a signature
 * with SHA-1, a new key does not help.
 *
 * @param keyFault  the error in the key, as the continuation of "it …".
 * @throws Problem `csr-rejected`
 */
export function requireGood({ key, signatureAlgorithm }: CertificateRequest, keyFault: string | undefined): void {
  const faults = [signatureFault(signatureAlgorithm, key), keyFault].filter((fault) => fault !== undefined);
  if (faults.length === 0) return;
  const remedy = keyFault === undefined ? signingRemedy(key) : 'Make a new key and send the CSR again.';
  throw new Problem('csr-rejected', `CSR rejected: it ${faults.join(', and ')}. ${remedy}`);
}
