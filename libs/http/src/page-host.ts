import { isIP } from 'node:net';
import { hostname } from 'node:os';

/** A request that a browser may have sent for a page. */
export interface PageRequest {
  /** The field Origin: where the page is from. Programs other than browsers send none. */
  readonly origin: string;
  /** The field Host: as the browser calls this server. */
  readonly host: string | undefined;
  readonly isTls: boolean;
  /** Hosts whose pages may send requests here, besides the own one. */
  readonly allowedHosts: readonly string[];
}

/**
 * Whether a page may use this server. Browsers let every page send requests and open WebSockets to every host, and show
 * the certificate of their user there. So a page of another site could use this server in the name of its visitor. A page
 * comes from another port of the same host, since this port serves none.
 *
 * The owner of a name decides to which address it leads, and may let that of a page lead to us ("DNS rebinding"). With
 * TLS the browser has found the name in our certificate. Without TLS only names count that nobody else owns.
 *
 * @see RFC 6454 §7, RFC 6455 §10.2
 */
export function mayPageAsk({ origin, host, isTls, allowedHosts }: PageRequest): boolean {
  const [from, own] = [hostIn(origin), hostIn(`http://${host ?? ''}`)];
  if (from === '') return false;
  if (allowedHosts.some((allowed) => allowed.toLowerCase() === from)) return true;
  return from === own && (isTls || isNameOfNobodyElse(own));
}

function isNameOfNobodyElse(host: string): boolean {
  const name = hostname().toLowerCase();
  const isAddress = isIP(host.replaceAll(/[[\]]/g, '')) !== 0;
  return isAddress || host === 'localhost' || host.endsWith('.localhost') || host === name || host === `${name}.local`;
}

function hostIn(url: string): string {
  return URL.parse(url)?.hostname ?? '';
}
