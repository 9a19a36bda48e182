import type { SecurityInForce, SecuritySource } from '@sallyport/entrance';
import type { ServiceContext } from '@sallyport/runtime';
import { makeTrustAnchors } from '@sallyport/tls';
import { isTrusted } from '../authority/authority.js';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { ServerCertificate } from '../server-certificate/server-certificate.js';

/**
 * The signer's own door: always TLS, with a certificate it issued to itself; a client certificate of this site's
 * hierarchy is welcome, and needed to renew it.
 */
export function estSecuritySource(
  context: Pick<ServiceContext, 'settings' | 'clock'>,
  hierarchy: Hierarchy,
  serverCertificate: ServerCertificate,
): SecuritySource {
  return {
    group: 'pki',
    address: () => ({
      host: context.settings.require('pki.bind.address'),
      port: context.settings.require('pki.bind.port'),
    }),
    read: async () => estSecurity(hierarchy, serverCertificate, context.clock.now()),
  };
}

/** What the listener shows and whom it trusts at a moment. */
export function estSecurity(hierarchy: Hierarchy, serverCertificate: ServerCertificate, now: Date): SecurityInForce {
  const authorities = hierarchy.all.filter(isTrusted);
  const ownIssuers = new Set(authorities.map(({ certificate }) => certificate.fingerprint));
  const candidates = authorities.map(({ record, certificate }) => ({ name: record.id, certificate }));
  const ca = makeTrustAnchors(candidates, { now, ownIssuers });
  // After the end of every CA nobody can be believed; the door still tells the CAs, and why nothing is issued.
  const clientCertificate = ca.certificates.length === 0 ? ('none' as const) : ('optional' as const);
  const security = { ...serverCertificate.identity, ca, clientCertificate };
  return { level: 'server', security, warnings: ca.warnings };
}
