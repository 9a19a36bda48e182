import { type Certificate, readSerialNumber } from '../certificate.js';
import { readBitString, readSmallInteger, readUnsignedInteger } from '../der/primitives.js';
import { DerReader } from '../der/reader.js';
import { contextConstructed, tags } from '../der/tags.js';
import { readTime } from '../der/time.js';
import { crlDocument } from '../documents.js';
import { decodeExtensions, type Extension, readExtensions, repeatedExtension } from '../extensions.js';
import { isSameName, type Name, readName } from '../name.js';
import { oids } from '../oids.js';
import { isSignatureValid, readSignatureAlgorithm } from '../signature.js';
import { type CrlReason, type RevokedEntry, revocationReasonOf } from './revoked-entry.js';

/** A certificate revocation list (RFC 5280 §5). */
export interface CertificateRevocationList {
  readonly der: Buffer;
  readonly issuer: Name;
  readonly signatureAlgorithm: string;
  readonly thisUpdate: Date;
  readonly nextUpdate?: Date;
  readonly crlNumber?: bigint;
  /** Lower-case hexadecimal. */
  readonly authorityKeyIdentifier?: string;
  readonly entries: readonly RevokedEntry[];
  /**
   * Critical extensions of the list or of an entry that change its scope (deltas, partitions). Then it is not a full
   * CRL.
   */
  readonly unknownCriticalExtensions: readonly string[];
  /** The bytes that the signature covers. */
  readonly tbsCertList: Buffer;
  readonly signature: Buffer;
}

/**
 * Parses a CRL, strictly: DER, nothing after it.
 *
 * @throws Problem `certificate-rejected`: says which byte breaks which rule.
 * @see RFC 5280 §5.1
 */
export function parseCrl(der: Uint8Array): CertificateRevocationList {
  const reader = new DerReader(der, crlDocument);
  reader.enter(tags.sequence);
  const start = reader.position;
  const { algorithmIdentifier, ...fields } = readTbsCertList(reader);
  const tbsCertList = reader.since(start);
  if (!reader.readElement(tags.sequence).equals(algorithmIdentifier))
    reader.refuse(
      'is a signature algorithm that differs from the signed one',
      'with the same algorithm in both places',
    );
  const signature = readBitString(reader);
  reader.leave();
  reader.finish();
  return { der: reader.bytes, ...fields, tbsCertList, signature };
}

function readTbsCertList(reader: DerReader) {
  reader.enter(tags.sequence);
  const isVersion2 = reader.nextTag === tags.integer;
  if (isVersion2 && readSmallInteger(reader) !== 1) reader.refuse('is a version that is not 2', 'with version 2');
  const algorithmIdentifier = reader.readElement(tags.sequence);
  const issuer = readName(reader);
  const thisUpdate = readTime(reader);
  const nextUpdate = isTime(reader.nextTag) ? readTime(reader) : undefined;
  const unknownInEntries = new Set<string>();
  const entries = reader.nextTag === tags.sequence ? readEntries(reader, unknownInEntries) : [];
  const extensions = isVersion2 && !reader.isAtEnd ? readCrlExtensions(reader) : [];
  reader.leave();
  return {
    algorithmIdentifier,
    signatureAlgorithm: readSignatureAlgorithm(algorithmIdentifier, crlDocument),
    issuer,
    thisUpdate,
    ...(nextUpdate === undefined ? {} : { nextUpdate }),
    entries,
    ...decodeCrlExtensions(extensions),
    unknownCriticalExtensions: [...unknownCritical(extensions, knownCrlExtensions), ...unknownInEntries],
  };
}

function isTime(tag: number): boolean {
  return tag === tags.utcTime || tag === tags.generalizedTime;
}

/** RFC 5280 §5.1.2.6: an empty list is not encoded. */
function readEntries(reader: DerReader, unknown: Set<string>): RevokedEntry[] {
  const entries: RevokedEntry[] = [];
  reader.enter(tags.sequence);
  do entries.push(readEntry(reader, unknown));
  while (!reader.isAtEnd);
  reader.leave();
  return entries;
}

/** RFC 5280 §5.3: a reader that does not know a critical extension of an entry must not use the list. */
function readEntry(reader: DerReader, unknown: Set<string>): RevokedEntry {
  reader.enter(tags.sequence);
  const serialNumber = readSerialNumber(reader);
  const revokedAt = readTime(reader);
  const extensions = reader.isAtEnd ? [] : readDistinctExtensions(reader);
  reader.leave();
  for (const oid of unknownCritical(extensions, knownEntryExtensions)) unknown.add(oid);
  const reason = reasonAmong(extensions);
  return reason === undefined ? { serialNumber, revokedAt } : { serialNumber, revokedAt, reason };
}

function reasonAmong(extensions: readonly Extension[]): CrlReason | undefined {
  const value = extensions.find(({ oid }) => oid === oids.reasonCode)?.value;
  if (value === undefined) return undefined;
  const reader = new DerReader(value, crlDocument, 'an extension');
  const code = readSmallInteger(reader, tags.enumerated);
  reader.finish();
  return (
    revocationReasonOf(code) ??
    reader.refuse(
      `is a reason code, ${code}, that has no meaning in a full CRL`,
      'with a reason of RFC 5280 section 5.3.1',
    )
  );
}

function readCrlExtensions(reader: DerReader): Extension[] {
  reader.enter(contextConstructed(0));
  const extensions = readDistinctExtensions(reader);
  reader.leave();
  return extensions;
}

function readDistinctExtensions(reader: DerReader): Extension[] {
  const extensions = readExtensions(reader);
  const repeated = repeatedExtension(extensions);
  return repeated === undefined
    ? extensions
    : reader.refuse(`ends a list that holds extension ${repeated} twice`, 'with each extension once');
}

const knownCrlExtensions: ReadonlySet<string> = new Set([oids.authorityKeyIdentifier, oids.crlNumber]);
const knownEntryExtensions: ReadonlySet<string> = new Set([oids.reasonCode, oids.invalidityDate]);

function unknownCritical(extensions: readonly Extension[], known: ReadonlySet<string>): string[] {
  return extensions.filter(({ critical, oid }) => critical && !known.has(oid)).map(({ oid }) => oid);
}

function decodeCrlExtensions(extensions: readonly Extension[]) {
  const { authorityKeyIdentifier } = decodeExtensions(extensions, crlDocument);
  const number = extensions.find(({ oid }) => oid === oids.crlNumber)?.value;
  return {
    ...(authorityKeyIdentifier === undefined ? {} : { authorityKeyIdentifier }),
    ...(number === undefined ? {} : { crlNumber: readCrlNumber(number) }),
  };
}

function readCrlNumber(value: Buffer): bigint {
  const reader = new DerReader(value, crlDocument, 'an extension');
  const magnitude = readUnsignedInteger(reader);
  reader.finish();
  return BigInt(`0x${magnitude.toString('hex')}`);
}

/** Whether `issuer` signed the list: the names match and the signature is valid. The caller must check the dates. */
export function verifyCrlSignedBy(crl: CertificateRevocationList, issuer: Certificate): boolean {
  return (
    isSameName(crl.issuer, issuer.subject) &&
    isSignatureValid({
      content: crl.tbsCertList,
      signature: crl.signature,
      algorithmName: crl.signatureAlgorithm,
      spki: issuer.spki,
      key: issuer.key,
    })
  );
}
