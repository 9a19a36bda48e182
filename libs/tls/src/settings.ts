import { Problem, type SecurityLevel } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';
import { pairOf } from './pair.js';
import type { TrustAnchors } from './trust-anchors.js';

/** Whether a TLS client is asked for a certificate, and must have one. */
export type ClientCertificatePolicy = 'none' | 'optional' | 'required';

/** What a listener needs to decide its security level. Without certificate and key it speaks plain text. */
export interface SecuritySettings {
  /** PEM: the listener's own certificate first, then its intermediates. */
  readonly certificatePem?: string;
  /** PEM: the private key of the first certificate, not encrypted. */
  readonly keyPem?: string;
  /** Who may issue client certificates. Needed unless `clientCertificate` is `none`. */
  readonly ca?: TrustAnchors;
  readonly clientCertificate: ClientCertificatePolicy;
  /**
   * CAs whose leaves may be shown after their end, or before their start, where a client certificate is optional. Such a
   * client stays anonymous, see `OutdatedCredential`. Only for a listener that renews certificates; none when absent.
   */
  readonly renewableFrom?: readonly Certificate[];
}

/** The level of these settings. With an optional client certificate it is `server`. */
export function levelOf(settings: SecuritySettings): SecurityLevel {
  if (settings.certificatePem === undefined) return 'plain';
  return settings.clientCertificate === 'required' ? 'mutual' : 'server';
}

const halves = { cert: 'certificate', key: 'private key' } as const;

/**
 * Refuses incomplete settings.
 *
 * @throws Problem `config-invalid`: certificate without key, key without certificate, or client certificates asked for
 *   with no CA to judge them by.
 */
export function checkComplete(name: string, settings: SecuritySettings): void {
  const { ca, clientCertificate } = settings;
  const pair = pairOf(settings.certificatePem, settings.keyPem);
  if (pair.kind === 'half')
    throw new Problem(
      'config-invalid',
      `Listener "${name}" has a ${halves[pair.present]} but no ${halves[pair.missing]}. Give both for TLS, or neither to be without TLS.`,
    );
  if (pair.kind === 'none' || clientCertificate === 'none') return;
  // Without a CA list, Node trusts the public web PKI. That must never happen.
  if (ca === undefined || ca.certificates.length === 0)
    throw new Problem(
      'config-invalid',
      `Listener "${name}" asks for client certificates but trusts no CA. Name at least one CA certificate.`,
    );
}
