import { deviceId, type RefusalReason } from '@sallyport/protocol';
import type { Certificate } from './certificate.js';
import { certificateDocument } from './documents.js';
import { readPublicKeyInfo, readRsaPublicKey } from './public-key.js';
import { isStrongSignature } from './signature.js';

/** How far a peer's clock, or the CA's, may be ahead of ours before its new certificate counts as not valid yet. */
const clockSkewSeconds = 300;

/**
 * Judges a leaf a peer presented, after the chain was verified: what OpenSSL lets pass and we do not.
 *
 * @param options.now  checks the dates as well; `notBefore` may lie up to 5 minutes ahead.
 * @returns the first rule it breaks; undefined when it breaks none.
 */
export function checkLeaf(certificate: Certificate, options: { readonly now?: Date } = {}): RefusalReason | undefined {
  if (isWeakKey(certificate)) return 'weak-key';
  if (!isStrongSignature(certificate.signatureAlgorithm)) return 'weak-signature';
  return (
    nameFault(certificate) ??
    purposeFault(certificate) ??
    (options.now === undefined ? undefined : dateFault(certificate, options.now))
  );
}

const strongCurves: ReadonlySet<string> = new Set(['P-256', 'P-384', 'P-521']);

function isWeakKey({ key, spki }: Certificate): boolean {
  switch (key.type) {
    case 'ec':
      return !strongCurves.has(key.curve);
    case 'ed25519':
      return false;
    case 'rsa':
      return key.bits < 2048 || isTrivialExponent(spki);
    case 'other':
      return true;
    default:
      return key satisfies never;
  }
}

/** With exponent 1 everybody can sign; an even one cannot belong to a key pair. */
function isTrivialExponent(spki: Buffer): boolean {
  const { publicKey } = readPublicKeyInfo(spki, certificateDocument);
  const { exponent } = readRsaPublicKey(publicKey, certificateDocument);
  const last = exponent.at(-1) ?? 0;
  return last % 2 === 0 || (exponent.length === 1 && last < 3);
}

function nameFault({ subject }: Certificate): RefusalReason | undefined {
  const [commonName, ...others] = subject.commonNames;
  if (commonName === undefined) return 'name-missing';
  if (others.length > 0) return 'name-ambiguous';
  return deviceId.safeParse(commonName).success ? undefined : 'name-invalid';
}

/** RFC 5280 §4.2.1.12 and §4.2.1.3: a TLS client signs, and an absent extension permits everything. */
function purposeFault(certificate: Certificate): RefusalReason | undefined {
  const { extendedKeyUsages, keyUsages, unknownCriticalExtensions } = certificate;
  if (unknownCriticalExtensions.length > 0) return 'chain-invalid';
  const isForClients =
    extendedKeyUsages?.some((purpose) => purpose === 'clientAuth' || purpose === 'anyExtendedKeyUsage') ?? true;
  const maySign = keyUsages?.includes('digitalSignature') ?? true;
  return isForClients && maySign ? undefined : 'wrong-purpose';
}

function dateFault({ notBefore, notAfter }: Certificate, now: Date): RefusalReason | undefined {
  if (now.getTime() < notBefore.getTime() - clockSkewSeconds * 1000) return 'certificate-not-yet-valid';
  // RFC 5280 §4.1.2.5: the second notAfter names is still inside.
  return now.getTime() >= notAfter.getTime() + 1000 ? 'certificate-expired' : undefined;
}
