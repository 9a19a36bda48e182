import { oid } from './der/oid.js';
import { contextConstructed, contextPrimitive } from './der/tags.js';
import { booleanTrue, integer, namedBits, nullValue, octetString, sequence, tlv } from './der/writer.js';
import { keyUsageNames, purposeOids } from './extensions.js';
import { encodeGeneralNames, encodeUri, type SubjectAltName } from './general-name.js';
import { oids } from './oids.js';

/** A bit of the key usage extension. */
export type KeyUsage = (typeof keyUsageNames)[number];

/** A purpose of the extended key usage extension. */
export type Purpose = keyof typeof purposeOids;

function critical(type: string, value: Uint8Array): Buffer {
  return sequence(oid(type), booleanTrue(), octetString(value));
}

function nonCritical(type: string, value: Uint8Array): Buffer {
  return sequence(oid(type), octetString(value));
}

/** RFC 5280 §4.2.1.9: critical in CA certificates. In our leaves too, so that no reader ignores it. */
export function leafConstraints(): Buffer {
  return critical(oids.basicConstraints, sequence());
}

/** RFC 5280 §4.2.1.9. Without `pathLength` the chain below may have any length. */
export function caConstraints(pathLength?: number): Buffer {
  const limit = pathLength === undefined ? [] : [integer(pathLength)];
  return critical(oids.basicConstraints, sequence(booleanTrue(), ...limit));
}

/** RFC 5280 §4.2.1.10: MUST be critical. @param constraints DER of NameConstraints */
export function nameConstraints(constraints: Uint8Array): Buffer {
  return critical(oids.nameConstraints, constraints);
}

/** RFC 5280 §4.2.1.3: SHOULD be critical. */
export function keyUsage(usages: readonly KeyUsage[]): Buffer {
  return critical(oids.keyUsage, namedBits(usages.map((usage) => keyUsageNames.indexOf(usage))));
}

/** RFC 5280 §4.2.1.12. */
export function extendedKeyUsage(purposes: readonly Purpose[]): Buffer {
  return nonCritical(oids.extendedKeyUsage, sequence(...purposes.map((purpose) => oid(purposeOids[purpose]))));
}

/** RFC 5280 §4.2.1.2: MUST NOT be critical. */
export function subjectKeyIdentifier(identifier: Uint8Array): Buffer {
  return nonCritical(oids.subjectKeyIdentifier, octetString(identifier));
}

/** RFC 5280 §4.2.1.1: MUST NOT be critical. We write only the key identifier. */
export function authorityKeyIdentifier(identifier: Uint8Array): Buffer {
  return nonCritical(oids.authorityKeyIdentifier, sequence(tlv(contextPrimitive(0), identifier)));
}

/** RFC 5280 §4.2.1.6: not critical, because none of our subjects is empty. */
export function subjectAltName(names: readonly SubjectAltName[]): Buffer {
  return nonCritical(oids.subjectAltName, encodeGeneralNames(names));
}

/** RFC 5280 §4.2.1.13: one point with one URI. */
export function crlDistributionPoint(url: string): Buffer {
  const fullName = tlv(contextConstructed(0), encodeUri(url));
  return nonCritical(oids.crlDistributionPoints, sequence(sequence(tlv(contextConstructed(0), fullName))));
}

/** RFC 5280 §4.2.2.1: the URL of the certificate of the issuer. */
export function caIssuersAccess(url: string): Buffer {
  return nonCritical(oids.authorityInfoAccess, sequence(sequence(oid(oids.caIssuers), encodeUri(url))));
}

/** RFC 9608 §2: no revocation information will ever be published for this certificate. */
export function noRevocationAvailable(): Buffer {
  return nonCritical(oids.noRevAvail, nullValue());
}

/** RFC 5280 §5.2.3. */
export function crlNumber(number: bigint): Buffer {
  return nonCritical(oids.crlNumber, integer(number));
}
