import { createPublicKey, type KeyObject } from 'node:crypto';
import type { Certificate } from '../certificate.js';

/** A private key with the certificates that came with it. */
export interface KeyBundle {
  readonly privateKey: KeyObject;
  /** The certificate of the key first, the others in their original order. */
  readonly certificates: Certificate[];
}

/** Whether the certificate belongs to this private key. */
export function isCertificateOf(privateKey: KeyObject, certificate: Certificate): boolean {
  return certificate.spki.equals(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }));
}

/** Puts the certificate of the key before the others. */
export function ownCertificateFirst(privateKey: KeyObject, certificates: readonly Certificate[]): Certificate[] {
  const isOwn = (certificate: Certificate) => isCertificateOf(privateKey, certificate);
  return certificates.toSorted((one, other) => Number(isOwn(other)) - Number(isOwn(one)));
}
