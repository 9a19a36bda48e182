import { type DeviceId, type PeerKind, peerKind } from '@sallyport/protocol';
import type { Certificate } from './certificate.js';
import type { SubjectAltName } from './general-name.js';
import { oids } from './oids.js';

/** Trust domain of the identity URI, if the site has not set one. */
const defaultTrustDomain = 'sallyport.local';

/**
 * The URI with the identity of a certificate: `spiffe://<trust domain>/<kind>/<id>`, with the id percent-encoded.
 *
 * @see SPIFFE-ID §2. Its character set has no percent sign, but our ids need one.
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
 * The kind of peer in a certificate, from its one identity URI. It is `device` when there is no such URI, when there
 * are several, or when it has another form. Use it only if a CA of this site issued the certificate; a foreign CA may
 * write anything.
 */
export function peerKindOf(certificate: Certificate): PeerKind {
  const uris = certificate.subjectAltNames.filter(({ type, value }) => type === 'uri' && value.startsWith('spiffe://'));
  const segment = uris.length === 1 ? identityPattern.exec(uris[0]?.value ?? '')?.[1] : undefined;
  return peerKind.safeParse(segment).data ?? 'device';
}

const ocfPurposes = ['clientAuth', 'serverAuth', oids.ocfIdentity] as const;

/**
 * Whether a certificate has the purposes of an OCF identity: TLS client, TLS server, and that of OCF itself. An absent
 * extension does not permit them (OCF Security §9.4.2.2). The name is not looked at.
 */
export function isOcfIdentity({ extendedKeyUsages = [] }: Pick<Certificate, 'extendedKeyUsages'>): boolean {
  return ocfPurposes.every((purpose) => extendedKeyUsages.includes(purpose));
}
