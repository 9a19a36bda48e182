import { readOid } from './der/oid.js';
import { readBoolean, readNamedBits, readSmallInteger } from './der/primitives.js';
import { type DerDocument, DerReader } from './der/reader.js';
import { contextConstructed, contextPrimitive, tags } from './der/tags.js';
import { readGeneralName, readGeneralNames, type SubjectAltName } from './general-name.js';
import { oids } from './oids.js';

/** An extension as it is encoded (RFC 5280 §4.1.2.9). */
export interface Extension {
  /** Dotted object identifier. */
  readonly oid: string;
  readonly critical: boolean;
  /** True if `critical` FALSE is encoded. FALSE is the default, and DER does not encode defaults (X.690 §11.5). */
  readonly encodesDefault: boolean;
  /** Content of the OCTET STRING: DER of the type that the identifier means. */
  readonly value: Buffer;
}

/** The values of the extensions that this library uses. If an extension is absent, so is its field. */
export interface DecodedExtensions {
  readonly isCa?: boolean;
  readonly pathLength?: number;
  readonly keyUsages?: readonly string[];
  readonly extendedKeyUsages?: readonly string[];
  readonly subjectAltNames?: readonly SubjectAltName[];
  readonly subjectKeyIdentifier?: string;
  readonly authorityKeyIdentifier?: string;
  readonly crlDistributionPoints?: readonly string[];
  readonly caIssuers?: readonly string[];
}

/** Reads Extensions: a SEQUENCE of at least one. The caller must refuse repeated identifiers. */
export function readExtensions(reader: DerReader): Extension[] {
  const extensions: Extension[] = [];
  reader.enter(tags.sequence);
  do extensions.push(readExtension(reader));
  while (!reader.isAtEnd);
  reader.leave();
  return extensions;
}

function readExtension(reader: DerReader): Extension {
  reader.enter(tags.sequence);
  const oid = readOid(reader);
  const hasCritical = reader.nextTag === tags.boolean;
  const critical = hasCritical && readBoolean(reader);
  const value = reader.readContent(tags.octetString);
  reader.leave();
  return { oid, critical, encodesDefault: hasCritical && !critical, value };
}

/** The first identifier that occurs twice (RFC 5280 §4.2 forbids it); undefined when none does. */
export function repeatedExtension(extensions: readonly Extension[]): string | undefined {
  const seen = new Set<string>();
  // Use one pass. 64 KiB can hold 7,000 extensions, and comparing each with each takes 0.25 s.
  for (const { oid } of extensions) {
    if (seen.has(oid)) return oid;
    seen.add(oid);
  }
  return undefined;
}

type Decoder = (reader: DerReader) => DecodedExtensions;

const decoders: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  [oids.basicConstraints, readBasicConstraints],
  [oids.keyUsage, (reader) => ({ keyUsages: readKeyUsages(reader) })],
  [oids.extendedKeyUsage, (reader) => ({ extendedKeyUsages: readExtendedKeyUsages(reader) })],
  [oids.subjectAltName, (reader) => ({ subjectAltNames: readGeneralNames(reader) })],
  [
    oids.subjectKeyIdentifier,
    (reader) => ({ subjectKeyIdentifier: reader.readContent(tags.octetString).toString('hex') }),
  ],
  [oids.authorityKeyIdentifier, readAuthorityKeyIdentifier],
  [oids.crlDistributionPoints, (reader) => ({ crlDistributionPoints: readDistributionPoints(reader) })],
  [oids.authorityInfoAccess, (reader) => ({ caIssuers: readCaIssuers(reader) })],
]);

/** Extensions that OpenSSL enforces when it validates a path. So if one is critical, it is not unknown to us. */
const enforcedByOpenSsl: ReadonlySet<string> = new Set([
  oids.nameConstraints,
  oids.certificatePolicies,
  oids.policyMappings,
  oids.policyConstraints,
  oids.inhibitAnyPolicy,
]);

/** Whether we or OpenSSL process the extension. Only then it may be critical (RFC 5280 §4.2). */
export function isKnownExtension(oid: string): boolean {
  return decoders.has(oid) || enforcedByOpenSsl.has(oid);
}

/**
 * The extensions that only OpenSSL enforces. Who accepts a certificate without OpenSSL must refuse it when it has one.
 * A list of policies that is not critical limits nothing.
 */
export function extensionsLeftToOpenSsl({ extensions }: { readonly extensions: readonly Extension[] }): string[] {
  return extensions
    .filter(({ oid, critical }) => enforcedByOpenSsl.has(oid) && (critical || oid !== oids.certificatePolicies))
    .map(({ oid }) => oid);
}

/** Decodes the extensions that this library uses. If one is repeated, the first counts. */
export function decodeExtensions(extensions: readonly Extension[], document: DerDocument): DecodedExtensions {
  const decoded: DecodedExtensions = {};
  const seen = new Set<string>();
  for (const { oid, value } of extensions) {
    const decode = decoders.get(oid);
    if (decode === undefined || seen.has(oid)) continue;
    seen.add(oid);
    const reader = new DerReader(value, document, `extension ${oid}`);
    Object.assign(decoded, decode(reader));
    reader.finish();
  }
  return decoded;
}

/** RFC 5280 §4.2.1.9. An explicit FALSE is common in device certificates, so we accept it. The linter reports it. */
function readBasicConstraints(reader: DerReader): DecodedExtensions {
  reader.enter(tags.sequence);
  const isCa = reader.nextTag === tags.boolean && readBoolean(reader);
  const pathLength = reader.isAtEnd ? undefined : readSmallInteger(reader);
  reader.leave();
  return pathLength === undefined ? { isCa } : { isCa, pathLength };
}

/** RFC 5280 §4.2.1.3, bits in order. */
export const keyUsageNames = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

function readKeyUsages(reader: DerReader): string[] {
  return readNamedBits(reader).map(
    (bit) =>
      keyUsageNames[bit] ??
      reader.refuse('has a key usage that is not defined', 'with the key usages of RFC 5280 section 4.2.1.3'),
  );
}

/** Purposes by the names that OpenSSL uses. One that it has no name for is its own identifier. */
export const purposeOids = {
  anyExtendedKeyUsage: oids.anyExtendedKeyUsage,
  serverAuth: oids.serverAuth,
  clientAuth: oids.clientAuth,
  codeSigning: oids.codeSigning,
  emailProtection: oids.emailProtection,
  timeStamping: oids.timeStamping,
  OCSPSigning: oids.ocspSigning,
  [oids.ocfIdentity]: oids.ocfIdentity,
} as const;

const purposeNames: ReadonlyMap<string, string> = new Map(
  Object.entries(purposeOids).map(([name, oid]) => [oid, name]),
);

function readExtendedKeyUsages(reader: DerReader): string[] {
  const purposes: string[] = [];
  reader.enter(tags.sequence);
  do {
    const purpose = readOid(reader);
    purposes.push(purposeNames.get(purpose) ?? purpose);
  } while (!reader.isAtEnd);
  reader.leave();
  return purposes;
}

/** RFC 5280 §4.2.1.1: keyIdentifier [0]. We do not need issuer and serial number, which are optional. */
function readAuthorityKeyIdentifier(reader: DerReader): DecodedExtensions {
  reader.enter(tags.sequence);
  const hasKeyIdentifier = reader.nextTag === contextPrimitive(0);
  const keyIdentifier = hasKeyIdentifier ? reader.readContent(contextPrimitive(0)).toString('hex') : undefined;
  while (!reader.isAtEnd) reader.skip();
  reader.leave();
  return keyIdentifier === undefined ? {} : { authorityKeyIdentifier: keyIdentifier };
}

/** RFC 5280 §4.2.1.13: the URIs in the full names of all distribution points. */
function readDistributionPoints(reader: DerReader): string[] {
  const uris: string[] = [];
  reader.enter(tags.sequence);
  while (!reader.isAtEnd) {
    reader.enter(tags.sequence);
    if (reader.nextTag === contextConstructed(0)) readFullName(reader, uris);
    while (!reader.isAtEnd) reader.skip();
    reader.leave();
  }
  reader.leave();
  return uris;
}

function readFullName(reader: DerReader, uris: string[]): void {
  reader.enter(contextConstructed(0));
  if (reader.nextTag === contextConstructed(0)) {
    reader.enter(contextConstructed(0));
    while (!reader.isAtEnd) {
      const name = readGeneralName(reader);
      if (name.type === 'uri') uris.push(name.value);
    }
    reader.leave();
  }
  while (!reader.isAtEnd) reader.skip();
  reader.leave();
}

/** RFC 5280 §4.2.2.1: where the issuer's certificate can be fetched. */
function readCaIssuers(reader: DerReader): string[] {
  const uris: string[] = [];
  reader.enter(tags.sequence);
  while (!reader.isAtEnd) {
    reader.enter(tags.sequence);
    const method = readOid(reader);
    const location = readGeneralName(reader);
    if (method === oids.caIssuers && location.type === 'uri') uris.push(location.value);
    reader.leave();
  }
  reader.leave();
  return uris;
}
