import type { AdminClient } from '@sallyport/admin-client';
import { signerRoutes } from '@sallyport/protocol';
import { type Certificate, certificatesFromPem, verifySignedBy } from '@sallyport/x509';

/** The CAs of a site, as its signer publishes them. */
export interface SiteTrust {
  readonly roots: readonly Certificate[];
  /** Issuing CAs, those being retired included. */
  readonly issuing: readonly Certificate[];
}

/** Nobody vouches for anybody. */
export const noTrust: SiteTrust = { roots: [], issuing: [] };

export async function fetchTrust(signer: AdminClient): Promise<SiteTrust> {
  const { roots, issuing, retiring } = await signer.call(signerRoutes.showTrustBundle);
  const parse = (pem: string) => certificatesFromPem(pem);
  return { roots: roots.flatMap(parse), issuing: [...issuing, ...retiring].flatMap(parse) };
}

/** True when a chain, leaf first, leads to one of the roots. Dates are not looked at. */
export function leadsTo(chain: readonly Certificate[], roots: readonly Certificate[]): boolean {
  let [last, ...rest] = chain;
  while (last !== undefined) {
    const child = last;
    if (roots.some((root) => verifySignedBy(child, root))) return true;
    last = rest.find((candidate) => candidate.isCa && verifySignedBy(child, candidate));
    rest = rest.filter((candidate) => candidate !== last);
  }
  return false;
}

/** True when the site issued the leaf, even if the chain lacks an intermediate. */
export function isOfSite([leaf]: readonly [Certificate, ...Certificate[]], { roots, issuing }: SiteTrust): boolean {
  return leadsTo([leaf, ...issuing], roots);
}
