import { isIP } from 'node:net';
import { domainToASCII, domainToUnicode } from 'node:url';
import type { HostName } from './entrance-admin.js';

/** A name or address for a certificate, in its one spelling, or why it can be none: the end of a sentence. */
export type HostReading =
  | { readonly host: HostName; readonly fault?: never }
  | { readonly fault: string; readonly host?: never };

/**
 * Reads a name or address as a person writes it, for a server certificate. Everything that puts names into certificates
 * reads them here. Upper case, a dot at the end and letters outside ASCII (RFC 5891) are written as certificates have
 * them, and an IPv4 address mapped to IPv6 (RFC 4291 §2.5.5.2) as IPv4, because clients connect to that.
 */
export function readHost(text: string): HostReading {
  const fault = spellingFault(text);
  if (fault !== undefined) return { fault };
  const value = canonicalHost(text);
  if (isIP(value) !== 0) return unlessFaulty({ type: 'ip', value }, addressFault(value));
  if (value === '') return { fault: 'cannot be written in ASCII (RFC 5891)' };
  return unlessFaulty({ type: 'dns', value }, dnsNameFault(value));
}

function unlessFaulty(host: HostName, fault: string | undefined): HostReading {
  return fault === undefined ? { host } : { fault };
}

function spellingFault(text: string): string | undefined {
  if (text === '') return 'is empty';
  if (/[\s\p{Cc}]/u.test(text)) return 'has a space or a control character';
  if (/^\[.*\]$/.test(text)) return 'is in brackets: write the address without them';
  if (text.includes('/')) return 'has a scheme or a path: write only the name';
  // RFC 4007 §11.
  if (isIP(text) === 6 && text.includes('%')) return 'has a zone after "%", which means something on one machine only';
  if (/^[^:]*:\d*$/.test(text)) return 'has a port: write only the name';
  if (text.includes('_')) return 'has an underscore, which a name in a certificate must not have (RFC 5280 §4.2.1.6)';
  return undefined;
}

/**
 * The one spelling of a name or address: A-labels, lower case, no dot at the end; for IPv6 the short form of RFC 5952.
 * What is neither stays as it is, in lower case; empty if it cannot be written in ASCII.
 */
export function canonicalHost(name: string): string {
  // A URL cannot contain an address with a zone, so such an address stays as it is.
  if (isIP(name) === 6) return mappedIpv4(URL.parse(`http://[${name}]`)?.hostname.slice(1, -1) ?? name.toLowerCase());
  if (isIP(name) === 4) return name;
  const ascii = /[^\p{ASCII}]/u.test(name) ? domainToASCII(name) : name.toLowerCase();
  return ascii.replace(/(?<=.)\.$/, '');
}

function mappedIpv4(address: string): string {
  const [, high = '', low = ''] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address) ?? [];
  if (low === '') return address;
  const bits = Number.parseInt(high, 16) * 65_536 + Number.parseInt(low, 16);
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 0xff).join('.');
}

/** RFC 1034 §3.5 with the changes of RFC 5280 §4.2.1.6, in lower case. */
const label = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** What is wrong with a DNS name in its one spelling, as the end of a sentence. */
export function dnsNameFault(name: string): string | undefined {
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

/** Why no client connects to an address in its one spelling, as the end of a sentence. */
export function addressFault(address: string): string | undefined {
  if (address === '0.0.0.0' || address === '::') return 'is the unspecified address';
  const isMulticast = isIP(address) === 4 ? Number.parseInt(address, 10) >= 224 : address.startsWith('ff');
  return isMulticast ? 'is a multicast or reserved address' : undefined;
}

/**
 * Whether a program can connect to this name or address. A name in the DNS of a site may have underscores, and an address
 * a zone, which certificates may not have.
 */
export function isConnectableHost(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const { fault } = readHost(text.replace(/_/g, 'u'));
  return fault === undefined || fault === 'is a number where a host name belongs';
}
