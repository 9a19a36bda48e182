import { type DeviceId, type PeerKind, peerKind } from '@sallyport/protocol';
import type { Certificate } from './certificate.js';
import type { SubjectAltName } from './general-name.js';

/** Trust domain of the identity URI when a site has not set one. */
const defaultTrustDomain = 'sallyport.local';

/**
 * The URI that says what a certificate stands for: `spiffe://<trust domain>/<kind>/<id>`, the id percent-encoded.
 *
 * @see SPIFFE-ID §2; a percent sign goes beyond its character set, which our ids need.
 */
export function identityUri(identity: {
  readonly kind: PeerKind;
  readonly deviceId: DeviceId;
  readonly trustDomain?: string | undefined;
}): SubjectAltName {
  const { kind, deviceId, trustDomain = defaultTrustDomain } = identity;
  return { type: 'uri', value: `spiffe://${trustDomain}/${kind}/${encodeURIComponent(deviceId)}` };
}

const identityPattern = /^spiffe:\/\/[a-z0-9._-]{1,255}\/([a-z]+)\/[^/]{1,192}$/;

/**
 * The kind of party a certificate says it stands for: by its one identity URI, `device` when there is none, several, or
 * one of another shape. Only worth something when a CA of this site issued the certificate; a foreign CA may write anything.
 */
export function peerKindOf(certificate: Certificate): PeerKind {
  const uris = certificate.subjectAltNames.filter(({ type, value }) => type === 'uri' && value.startsWith('spiffe://'));
  const segment = uris.length === 1 ? identityPattern.exec(uris[0]?.value ?? '')?.[1] : undefined;
  return peerKind.safeParse(segment).data ?? 'device';
}
