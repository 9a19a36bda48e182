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
 * comes from another port of the same host, since this port serves none. With TLS the browser has found the name of that
 * host in our certificate.
 *
 * @see RFC 6454 §7, RFC 6455 §10.2
 */
export function mayPageAsk({ origin, host, isTls, allowedHosts }: PageRequest): boolean {
  const [from, own] = [hostIn(origin), hostIn(`http://${host ?? ''}`)];
  if (from === '') return false;
  if (allowedHosts.some((allowed) => allowed.toLowerCase() === from)) return true;
  return from === own && isOwnHost(host, () => isTls);
}

/**
 * Whether the field Host calls this server by a name of its own. The owner of a name decides to which address it leads,
 * and may let that of a page lead to us ("DNS rebinding"). Names that nobody else owns are always our own, such as
 * addresses and `localhost`.
 *
 * @param isProven whether the certificate of this server is for that name, which is in lower case
 */
export function isOwnHost(host: string | undefined, isProven: (name: string) => boolean): boolean {
  const name = hostIn(`http://${host ?? ''}`);
  return name !== '' && (isNameOfNobodyElse(name) || isProven(name));
}

function isNameOfNobodyElse(host: string): boolean {
  const name = hostname().toLowerCase();
  const isAddress = isIP(host.replaceAll(/[[\]]/g, '')) !== 0;
  return isAddress || host === 'localhost' || host.endsWith('.localhost') || host === name || host === `${name}.local`;
}

function hostIn(url: string): string {
  return URL.parse(url)?.hostname ?? '';
}
