import type { ConnectorSettings } from '@sallyport/protocol';
import { type Certificate, hasBegun, hasEnded, purposeFault } from '@sallyport/x509';
import { Refusal, refuseFor } from './refusal.js';

/**
 * Checks purpose and dates of a leaf by the rules of a connector. The entrance has checked key, signature and chain.
 *
 * @throws Refusal `leaf-is-ca`, `chain-invalid`, `wrong-purpose`, `certificate-not-yet-valid`, `certificate-expired`
 */
export function requireFitLeaf(leaf: Certificate, pki: ConnectorSettings['pki'], now: Date): void {
  refuseFor(purposeFault(leaf));
  if (pki.requireClientAuth && leaf.extendedKeyUsages?.includes('clientAuth') !== true)
    throw new Refusal('wrong-purpose');
  // Certificates that are seconds old are usual here, and the clocks of two machines differ.
  const latestBegin = new Date(now.getTime() + pki.notBeforeSkewSeconds * 1000);
  if (!hasBegun(leaf, latestBegin)) throw new Refusal('certificate-not-yet-valid');
  if (hasEnded(leaf, now)) throw new Refusal('certificate-expired');
}
