import type { CertificateAdmissionRequest, ClientCa, ConnectorDocument } from '@sallyport/protocol';
import { Refusal } from './refusal.js';

/** Who vouches for a device at a connector: a CA of this site, or a Client CA. */
export type AcceptedIssuer = { readonly kind: 'site' } | { readonly kind: 'client-ca'; readonly clientCa: ClientCa };

/**
 * Finds the CA by the keys that really signed the chain, never by names. The Client CA that is nearest to the leaf
 * counts, as the most specific rule.
 *
 * @throws Refusal `certificates-not-accepted`, `issuer-not-accepted`, `issuer-disabled`, `not-permitted`
 */
export function requireAcceptedIssuer(
  request: CertificateAdmissionRequest,
  connector: ConnectorDocument,
): AcceptedIssuer {
  const { pki } = connector.settings;
  // A certificate of a service or an administrator of this site is no device.
  if (request.kind !== 'device') throw new Refusal('not-permitted');
  // Should somebody add the CA of this site as a Client CA, then its certificates still count by the rules of the site.
  const clientCa = pki.enabled && !request.issuedHere ? nearestClientCa(request, connector) : undefined;
  if (clientCa?.login === false) throw new Refusal('issuer-disabled');
  if (clientCa !== undefined) return { kind: 'client-ca', clientCa };
  if (request.issuedHere && pki.acceptsSite) return { kind: 'site' };
  throw new Refusal(pki.enabled ? 'issuer-not-accepted' : 'certificates-not-accepted');
}

function nearestClientCa(
  { authorities }: CertificateAdmissionRequest,
  { clientCas }: ConnectorDocument,
): ClientCa | undefined {
  return authorities
    .map((authority) => clientCas.find(({ id }) => id === authority))
    .find((clientCa) => clientCa !== undefined);
}

/** Whether a Client CA has a certificate that has not ended. */
export function isInDate({ certificates }: ClientCa, now: Date): boolean {
  return certificates.some(({ notAfter }) => Date.parse(notAfter) >= now.getTime());
}

/** Whether devices that are known may still come when every certificate of their Client CA has ended. */
export function isInGrace({ existingUntil }: ClientCa, now: Date): boolean {
  return existingUntil !== undefined && Date.parse(existingUntil) > now.getTime();
}
