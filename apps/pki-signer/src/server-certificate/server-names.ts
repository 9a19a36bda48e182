import { isIP } from 'node:net';
import { altNameFault, type SubjectAltName } from '@sallyport/x509';
import { canonicalHost } from '../issuance/canonical-host.js';

/**
 * The names the signer's own listener can be reached under: this machine's, and those the site has set. What no
 * certificate may hold is left out: what a machine calls itself is often no host name, as the digits of a container.
 *
 * @param hostname of the machine
 * @param configured `pki.hostnames`: names and addresses
 */
export function serverNames(hostname: string, configured: readonly string[]): SubjectAltName[] {
  const wanted = ['localhost', hostname, '127.0.0.1', '::1', ...configured].filter(isForAnybody).map(canonicalHost);
  return [...new Set(wanted)]
    .map(altNameOf)
    .filter((name) => altNameFault(name, { permitsWildcard: false }) === undefined);
}

function altNameOf(value: string): SubjectAltName {
  return { type: isIP(value) === 0 ? 'dns' : 'ip', value };
}

/** RFC 4007 §11: an address with a zone, `fe80::1%eth0`, means something on one machine only. */
function isForAnybody(name: string): boolean {
  return isIP(name) === 0 || !name.includes('%');
}
