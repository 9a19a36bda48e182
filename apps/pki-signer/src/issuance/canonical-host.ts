import { isIP } from 'node:net';

/** One spelling for each name and address: lower case, and for IPv6 the short form of RFC 5952. */
export function canonicalHost(name: string): string {
  // An address with a zone, which no URL holds, stays as it is.
  const url = isIP(name) === 6 ? URL.parse(`http://[${name}]`) : null;
  return url?.hostname.slice(1, -1) ?? name.toLowerCase();
}
