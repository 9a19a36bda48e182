import { type DeviceId, deviceId, type RefusalReason } from '@sallyport/protocol';
import type { Certificate } from './certificate.js';
import { keyWeakness } from './request/key-quality.js';
import { isStrongSignature } from './signature.js';
import { hasBegun, hasEnded } from './validity.js';

/**
 * The clock of a peer or CA may be ahead of ours by this much. Otherwise its new certificate counts as not yet valid.
 */
const clockSkewSeconds = 300;

/** The name of a leaf, or the first rule that the leaf breaks. */
export type LeafCheck =
  | { readonly deviceId: DeviceId; readonly fault?: never }
  | { readonly fault: RefusalReason; readonly deviceId?: never };

/**
 * Checks the leaf of a peer after the chain was verified. It refuses things that OpenSSL accepts.
 *
 * @param options.now  if given, the dates are checked too; `notBefore` may be up to 5 minutes in the future.
 */
export function checkLeaf(certificate: Certificate, options: { readonly now?: Date } = {}): LeafCheck {
  const weakness = qualityFault(certificate);
  if (weakness !== undefined) return { fault: weakness };
  const name = leafName(certificate);
  if (name.fault !== undefined) return name;
  const fault = useFault(certificate, options);
  return fault === undefined ? name : { fault };
}

/**
 * The same, except that the name is not looked at: somebody else names the peer, by other rules.
 *
 * @returns the first rule that the leaf breaks
 */
export function checkNamelessLeaf(
  certificate: Certificate,
  options: { readonly now?: Date } = {},
): RefusalReason | undefined {
  return qualityFault(certificate) ?? useFault(certificate, options);
}

function qualityFault(certificate: Certificate): RefusalReason | undefined {
  // RFC 5280 §4.1.2.2: positive. The parser already rejects all other wrong numbers, so check only for 0.
  if (certificate.serialNumber === '00') return 'certificate-malformed';
  if (keyWeakness(certificate) !== undefined) return 'weak-key';
  return isStrongSignature(certificate.signatureAlgorithm) ? undefined : 'weak-signature';
}

function useFault(certificate: Certificate, { now }: { readonly now?: Date }): RefusalReason | undefined {
  return purposeFault(certificate) ?? (now === undefined ? undefined : dateFault(certificate, now));
}

/** The name of a leaf. It must have exactly one CN, and this must be a device id. A leaf without a CN is refused. */
export function leafName({ subject }: Pick<Certificate, 'subject'>): LeafCheck {
  const [commonName, ...others] = subject.commonNames;
  if (commonName === undefined) return { fault: 'name-missing' };
  if (others.length > 0) return { fault: 'name-ambiguous' };
  const id = deviceId.safeParse(commonName);
  return id.success ? { deviceId: id.data } : { fault: 'name-invalid' };
}

/**
 * Refuses a leaf whose usages do not fit a TLS client. RFC 5280 §4.2.1.12 and §4.2.1.3: a TLS client signs, and an
 * absent extension permits everything. A leaf that may sign certificates would make the device a CA.
 */
export function purposeFault(certificate: Certificate): RefusalReason | undefined {
  const { extendedKeyUsages, keyUsages, unknownCriticalExtensions, isCa } = certificate;
  if (isCa || keyUsages?.includes('keyCertSign') === true) return 'leaf-is-ca';
  if (unknownCriticalExtensions.length > 0) return 'chain-invalid';
  const isForClients =
    extendedKeyUsages?.some((purpose) => purpose === 'clientAuth' || purpose === 'anyExtendedKeyUsage') ?? true;
  const maySign = keyUsages?.includes('digitalSignature') ?? true;
  return isForClients && maySign ? undefined : 'wrong-purpose';
}

function dateFault(certificate: Certificate, now: Date): RefusalReason | undefined {
  if (!hasBegun(certificate, new Date(now.getTime() + clockSkewSeconds * 1000))) return 'certificate-not-yet-valid';
  return hasEnded(certificate, now) ? 'certificate-expired' : undefined;
}
