import { hash, type KeyObject } from 'node:crypto';
import {
  type Fingerprint,
  fingerprint as fingerprintSchema,
  Problem,
  type SerialNumber,
  serialNumber as serialNumberSchema,
} from '@sallyport/protocol';
import { readBitString, readInteger, readSmallInteger } from './der/primitives.js';
import { DerReader } from './der/reader.js';
import { contextConstructed, contextPrimitive, tags } from './der/tags.js';
import { readTime } from './der/time.js';
import { certificateDocument } from './documents.js';
import { decodeExtensions, type Extension, isKnownExtension, readExtensions, repeatedExtension } from './extensions.js';
import type { SubjectAltName } from './general-name.js';
import { isSameName, type Name, readName } from './name.js';
import { type KeyDescription, readPublicKeyInfo } from './public-key.js';
import { importPublicKey, isSignatureValid, readSignatureAlgorithm } from './signature.js';

/** An X.509 certificate (RFC 5280 §4.1). The buffers are views of the parsed DER: do not write to them. */
export interface Certificate {
  readonly der: Buffer;
  readonly version: 1 | 2 | 3;
  readonly serialNumber: SerialNumber;
  /**
   * Name of the algorithm: `ecdsa-with-SHA256`, `sha256WithRSAEncryption`, `rsassaPss-SHA256`, `Ed25519` …; else
   * dotted.
   */
  readonly signatureAlgorithm: string;
  readonly issuer: Name;
  readonly subject: Name;
  readonly notBefore: Date;
  /** Last second of its validity. */
  readonly notAfter: Date;
  /** SubjectPublicKeyInfo. */
  readonly spki: Buffer;
  readonly key: KeyDescription;
  readonly isCa: boolean;
  readonly pathLength?: number;
  /** Names of RFC 5280 §4.2.1.3; absent means every use. */
  readonly keyUsages?: readonly string[];
  /** `clientAuth`, `serverAuth` …, dotted when unknown; absent means every purpose. */
  readonly extendedKeyUsages?: readonly string[];
  readonly subjectAltNames: readonly SubjectAltName[];
  /** Lower-case hexadecimal. */
  readonly subjectKeyIdentifier?: string;
  /** Lower-case hexadecimal. */
  readonly authorityKeyIdentifier?: string;
  readonly crlDistributionPoints: readonly string[];
  /** URL of the certificate of the issuer (authority information access). */
  readonly caIssuers: readonly string[];
  readonly extensions: readonly Extension[];
  /** Critical extensions that we do not process. A relying party must refuse such a certificate (RFC 5280 §4.2). */
  readonly unknownCriticalExtensions: readonly string[];
  /** The bytes that the signature covers. */
  readonly tbsCertificate: Buffer;
  readonly signature: Buffer;
  /** SHA-256 over the DER. */
  readonly fingerprint: Fingerprint;
  /**
   * SHA-1 over the DER, lower-case hexadecimal. Clouds show it as the thumbprint; our security does not depend on it.
   */
  readonly fingerprintSha1: string;
}

/** Ours are under 1 KiB; a large RSA chain member is under 4, a post-quantum one under 32. */
const maximumBytes = 64 * 1024;

/**
 * Parses one certificate, strictly: DER, nothing after it, every field well-formed, no extension twice.
 *
 * @throws Problem `certificate-rejected`: says which byte breaks which rule.
 * @see RFC 5280 §4.1
 */
export function parseCertificate(der: Uint8Array): Certificate {
  const { tbs, signature, bytes } = readCertificate(der);
  return certificateFrom(bytes, tbs, signature);
}

/** A parsed certificate without its fingerprints, which cost as much as the rest. */
interface CertificateParts {
  readonly tbs: TbsCertificate;
  readonly signature: Buffer;
  readonly bytes: Buffer;
}

/** The part of `parseCertificate` before the hashes. */
export function readCertificate(der: Uint8Array): CertificateParts {
  if (der.byteLength > maximumBytes)
    throw new Problem(
      'certificate-rejected',
      `Certificate rejected: it has ${der.byteLength} bytes, the limit is ${maximumBytes}.`,
    );
  const reader = new DerReader(der, certificateDocument);
  reader.enter(tags.sequence);
  const { algorithmIdentifier, ...tbs } = readTbsCertificate(reader);
  // RFC 5280 §4.1.1.2: MUST contain the same algorithm identifier as the signed field.
  if (!reader.readElement(tags.sequence).equals(algorithmIdentifier))
    reader.refuse(
      'is a signature algorithm that differs from the signed one',
      'with the same algorithm in both places',
    );
  const signature = readBitString(reader);
  reader.leave();
  reader.finish();
  return { tbs, signature, bytes: reader.bytes };
}

/** The part of a certificate that its signature covers. */
export type TbsCertificate = Omit<Certificate, 'der' | 'signature' | 'fingerprint' | 'fingerprintSha1'>;

/** Combines the parsed to-be-signed part, the DER around it and the signature. */
export function certificateFrom(der: Buffer, tbs: TbsCertificate, signature: Buffer): Certificate {
  return {
    ...tbs,
    der,
    signature,
    fingerprint: fingerprintSchema.parse(hash('sha256', der, 'hex')),
    fingerprintSha1: hash('sha1', der, 'hex'),
  };
}

function readTbsCertificate(reader: DerReader): TbsCertificate & { readonly algorithmIdentifier: Buffer } {
  const start = reader.position;
  reader.enter(tags.sequence);
  const version = readVersion(reader);
  const serialNumber = readSerialNumber(reader);
  const algorithmIdentifier = reader.readElement(tags.sequence);
  const issuer = readName(reader);
  const validity = readValidity(reader);
  const subject = readName(reader);
  const spki = reader.readElement(tags.sequence);
  const extensions = readTrailer(reader, version);
  reader.leave();
  return {
    algorithmIdentifier,
    version,
    serialNumber,
    signatureAlgorithm: readSignatureAlgorithm(algorithmIdentifier, certificateDocument),
    issuer,
    subject,
    ...validity,
    spki,
    key: readPublicKeyInfo(spki, certificateDocument).key,
    ...actedOn(extensions),
    extensions,
    tbsCertificate: reader.since(start),
  };
}

function readVersion(reader: DerReader): 1 | 2 | 3 {
  if (reader.nextTag !== contextConstructed(0)) return 1;
  reader.enter(contextConstructed(0));
  const version = readSmallInteger(reader) + 1;
  // Version 1 is the default, and DER does not encode defaults (X.690 §11.5).
  if (version !== 2 && version !== 3) return reader.refuse('is a version that is not 2 or 3', 'with version 3');
  reader.leave();
  return version;
}

const wantedSerialNumber = 'with a positive serial number of at most 20 octets (RFC 5280 section 4.1.2.2)';

/** RFC 5280 §4.1.2.2: at most 20 octets. Old roots may have zero. A negative number would look like a positive one. */
export function readSerialNumber(reader: DerReader): SerialNumber {
  const content = readInteger(reader);
  if ((content[0] ?? 0) >= 0x80) reader.refuse('is a serial number that is negative', wantedSerialNumber);
  const magnitude = content.length > 1 && content[0] === 0 ? content.subarray(1) : content;
  if (magnitude.length > 20) reader.refuse('is a serial number of more than 20 octets', wantedSerialNumber);
  return serialNumberSchema.parse(magnitude.toString('hex'));
}

function readValidity(reader: DerReader): { readonly notBefore: Date; readonly notAfter: Date } {
  reader.enter(tags.sequence);
  const notBefore = readTime(reader);
  const notAfter = readTime(reader);
  reader.leave();
  return { notBefore, notAfter };
}

/** Unique identifiers [1] and [2] are obsolete and ignored. Extensions [3] exist only in version 3. */
function readTrailer(reader: DerReader, version: 1 | 2 | 3): readonly Extension[] {
  for (const number of [1, 2]) if (version > 1 && reader.nextTag === contextPrimitive(number)) reader.skip();
  if (version !== 3 || reader.isAtEnd) return [];
  reader.enter(contextConstructed(3));
  const extensions = readExtensions(reader);
  const repeated = repeatedExtension(extensions);
  if (repeated !== undefined)
    reader.refuse(`ends a list that holds extension ${repeated} twice`, 'with each extension once');
  reader.leave();
  return extensions;
}

function actedOn(extensions: readonly Extension[]) {
  const decoded = decodeExtensions(extensions, certificateDocument);
  return {
    ...decoded,
    isCa: decoded.isCa ?? false,
    subjectAltNames: decoded.subjectAltNames ?? [],
    crlDistributionPoints: decoded.crlDistributionPoints ?? [],
    caIssuers: decoded.caIssuers ?? [],
    unknownCriticalExtensions: extensions
      .filter(({ critical, oid }) => critical && !isKnownExtension(oid))
      .map(({ oid }) => oid),
  };
}

// The key of a CA checks many leaves. Importing it each time would take longer than the check itself.
const keyByIssuer = new WeakMap<Certificate, KeyObject>();

/** The key of the issuer, imported once; undefined when OpenSSL cannot use it. The check then reports it. */
function knownKeyOf(issuer: Certificate): { readonly publicKey?: KeyObject } {
  const known = keyByIssuer.get(issuer);
  if (known !== undefined) return { publicKey: known };
  try {
    const publicKey = importPublicKey(issuer.spki);
    keyByIssuer.set(issuer, publicKey);
    return { publicKey };
  } catch {
    return {};
  }
}

/**
 * Whether `issuer` signed `certificate`: the names match and the signature is valid. It checks nothing else: no dates,
 * no CA flag, no key usage.
 */
export function verifySignedBy(certificate: Certificate, issuer: Certificate): boolean {
  return (
    isSameName(certificate.issuer, issuer.subject) &&
    isSignatureValid({
      content: certificate.tbsCertificate,
      signature: certificate.signature,
      algorithmName: certificate.signatureAlgorithm,
      spki: issuer.spki,
      key: issuer.key,
      ...knownKeyOf(issuer),
    })
  );
}
