import { isIP } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';
import { addressOctets, type SubjectAltName } from './general-name.js';

/** Options for the check of an alternative name. */
interface FormRules {
  /** Whether the leftmost label of a DNS name may be `*`. */
  readonly permitsWildcard: boolean;
}

/** The error in an alternative name, as the end of a sentence; undefined when it is correct. */
export function altNameFault({ type, value }: SubjectAltName, { permitsWildcard }: FormRules): string | undefined {
  switch (type) {
    case 'dns':
      return dnsNameFault(permitsWildcard && value.startsWith('*.') ? value.slice(2) : value);
    case 'ip':
      return addressFault(addressOctets(value));
    case 'uri':
      return absoluteUri.test(value) ? undefined : 'is not an absolute URI in ASCII';
    case 'email':
    case 'other':
      return 'is of a type that is not issued';
    default:
      return type satisfies never;
  }
}

/** RFC 3986 §4.3: a scheme with something after it. If there is an authority, it needs a host (RFC 5280 §4.2.1.6). */
const absoluteUri =
  /^[a-z][a-z0-9+.-]*:(?:\/\/[a-z0-9.[\]:_-]+(?:[/?#][!#-;=?-[\]_a-z~]*)?|(?!\/\/)[!#-;=?-[\]_a-z~]+)$/i;

/** RFC 1034 §3.5 with the changes of RFC 5280 §4.2.1.6, in lower case. */
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

function dnsNameFault(name: string): string | undefined {
  if (name.length > 253) return 'is longer than 253 characters';
  const labels = name.split('.');
  if (!labels.every((part) => label.test(part)))
    return 'is not a host name: use labels of 1 to 63 lower-case letters, digits and hyphens';
  if (/^\d+$/.test(labels.at(-1) ?? '')) return 'is a number where a host name belongs';
  const isReserved = labels.some((part) => part.startsWith('--', 2) && !isALabel(part));
  return isReserved ? 'holds a label that is not a valid A-label' : undefined;
}

/**
 * RFC 5890 §2.3.1: only A-labels have hyphens in the third and fourth place. Decoding and encoding must not change
 * them.
 */
function isALabel(part: string): boolean {
  const unicode = domainToUnicode(part);
  return part.startsWith('xn--') && unicode !== part && domainToASCII(unicode) === part;
}

function addressFault(octets: Buffer): string | undefined {
  if (octets.every((octet) => octet === 0)) return 'is the unspecified address';
  const first = octets[0] ?? 0;
  const isMulticast = octets.length === 4 ? first >= 224 : first === 0xff;
  return isMulticast ? 'is a multicast or reserved address' : undefined;
}

/** The one spelling of a name or address: lower case, and for IPv6 the short form of RFC 5952. */
export function canonicalHost(name: string): string {
  // A URL cannot contain an address with a zone, so such an address stays as it is.
  const url = isIP(name) === 6 ? URL.parse(`http://[${name}]`) : null;
  return url?.hostname.slice(1, -1) ?? name.toLowerCase();
}
