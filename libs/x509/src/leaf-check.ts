import { type DeviceId, deviceId, type RefusalReason } from '@sallyport/protocol';
import type { Certificate } from './certificate.js';
import { keyWeakness } from './request/key-quality.js';
import { isStrongSignature } from './signature.js';
import { hasBegun, hasEnded } from './validity.js';

/** How far a peer's clock, or the CA's, may be ahead of ours before its new certificate counts as not valid yet. */
const clockSkewSeconds = 300;

/** The name of a leaf, or the first rule it breaks. */
export type LeafVerdict =
  | { readonly deviceId: DeviceId; readonly fault?: never }
  | { readonly fault: RefusalReason; readonly deviceId?: never };

/**
 * Judges a leaf a peer presented, after the chain was verified: what OpenSSL lets pass and we do not.
 *
 * @param options.now  checks the dates as well; `notBefore` may lie up to 5 minutes ahead.
 */
export function checkLeaf(certificate: Certificate, options: { readonly now?: Date } = {}): LeafVerdict {
  // RFC 5280 §4.1.2.2: positive. Others than 0 that break the rule cannot be read at all.
  if (certificate.serialNumber === '00') return { fault: 'certificate-malformed' };
  if (keyWeakness(certificate) !== undefined) return { fault: 'weak-key' };
  if (!isStrongSignature(certificate.signatureAlgorithm)) return { fault: 'weak-signature' };
  const name = leafName(certificate);
  if (name.fault !== undefined) return name;
  const fault =
    purposeFault(certificate) ?? (options.now === undefined ? undefined : dateFault(certificate, options.now));
  return fault === undefined ? name : { fault };
}

/** The one name of a leaf: exactly one CN, which is a device id. */
export function leafName({ subject }: Pick<Certificate, 'subject'>): LeafVerdict {
  const [commonName, ...others] = subject.commonNames;
  if (commonName === undefined) return { fault: 'name-missing' };
  if (others.length > 0) return { fault: 'name-ambiguous' };
  const id = deviceId.safeParse(commonName);
  return id.success ? { deviceId: id.data } : { fault: 'name-invalid' };
}

/**
 * What a leaf may not be used for, as far as TLS clients go. RFC 5280 §4.2.1.12 and §4.2.1.3: a TLS client signs, and an
 * absent extension permits everything. One that may sign certificates would be a CA in the hands of a device.
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
