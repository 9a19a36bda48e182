import { isIP } from 'node:net';
import { altNameFault, canonicalHost, type SubjectAltName } from '@sallyport/x509';

/**
 * The names under which clients reach an entrance: those of this machine, and those of the settings. Names that a
 * certificate may not contain are left out. The name of a machine is often no host name, such as the digits of a
 * container.
 *
 * @param hostname of the machine
 * @param configured names and addresses
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

/** RFC 4007 §11: an address with a zone, such as `fe80::1%eth0`, has a meaning on one machine only. */
function isForAnybody(name: string): boolean {
  return isIP(name) === 0 || !name.includes('%');
}
