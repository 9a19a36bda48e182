import { isIP } from 'node:net';
import type { SubjectAltName } from '@sallyport/x509';

// RFC 1123 §2.1: letters, digits and hyphens; what a machine calls itself is not always such a name.
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const hostPattern = new RegExp(`^${label}(?:\\.${label})*$`);

/**
 * The names the signer's own listener can be reached under: this machine's, and those the site has set.
 *
 * @param hostname of the machine; left out when it is no host name
 * @param configured `pki.hostnames`: names and addresses
 */
export function serverNames(hostname: string, configured: readonly string[]): SubjectAltName[] {
  const wanted = ['localhost', hostname, '127.0.0.1', '::1', ...configured].map(canonicalHost);
  const usable = wanted.filter((name) => isIP(name) !== 0 || hostPattern.test(name));
  return [...new Set(usable)].map((value) => ({ type: isIP(value) === 0 ? 'dns' : 'ip', value }));
}

/** One spelling for each name and address: lower case, and for IPv6 the short form of RFC 5952. */
export function canonicalHost(name: string): string {
  return isIP(name) === 6 ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name.toLowerCase();
}
