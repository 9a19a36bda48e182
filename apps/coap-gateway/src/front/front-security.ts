import type { SecurityInForce } from '@sallyport/entrance';
import type { ServerIdentity } from '@sallyport/identity';
import { makeTrustAnchors, readTrustAnchors, type TrustAnchors } from '@sallyport/tls';
import type { Certificate } from '@sallyport/x509';

interface FrontParts {
  readonly identity: ServerIdentity;
  /** The CAs of this site. */
  readonly site: readonly Certificate[];
  /** More CAs whose devices connect: `coap.tls.ca_path`. */
  readonly caPath: string | undefined;
  readonly isCertificateRequired: boolean;
  readonly now: Date;
}

/**
 * What the listener shows, and whose devices it hears out.
 *
 * @throws Problem `config-invalid`: the file or folder of CAs cannot be used
 */
export async function frontSecurity(parts: FrontParts): Promise<SecurityInForce> {
  const { identity, isCertificateRequired } = parts;
  if (!isCertificateRequired)
    return { level: 'server', security: { ...identity, clientCertificate: 'none' }, warnings: [] };
  const ca = await trustedCas(parts);
  return { level: 'mutual', security: { ...identity, ca, clientCertificate: 'required' }, warnings: ca.warnings };
}

async function trustedCas({ site, caPath, now }: FrontParts): Promise<TrustAnchors> {
  const more = caPath === undefined ? undefined : await readTrustAnchors(caPath, { now });
  const candidates = [
    ...site.map((certificate) => ({ name: 'CA of this site', certificate })),
    ...(more?.certificates ?? []).map((certificate) => ({ name: 'coap.tls.ca_path', certificate })),
  ];
  const ownIssuers = new Set(site.map(({ fingerprint }) => fingerprint));
  const all = makeTrustAnchors(candidates, { now, ownIssuers });
  return { ...all, warnings: [...(more?.warnings ?? []), ...all.warnings] };
}
