import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Settings } from '@sallyport/config';
import type { HostName } from '@sallyport/protocol';

// RFC 1123 §2.1. The name of a machine does not always follow it.
const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const hostPattern = new RegExp(`^${label}(?:\\.${label})*$`);
const everyAddress = new Set(['0.0.0.0', '::']);

/** The names and addresses under which clients may reach listeners, for their certificate; localhost first. */
export function hostNames(settings: Settings, bindAddresses: readonly string[]): HostName[] {
  // A link-local address with its interface (RFC 4007 §11) means nothing to clients.
  const reachable = bindAddresses.filter((address) => !address.includes('%'));
  const wanted = ['localhost', hostname(), '127.0.0.1', '::1', ...reachable, ...settings.require('pki.hostnames')];
  const usable = [...new Set(wanted.map((name) => name.toLowerCase()))].filter((name) => !everyAddress.has(name));
  return usable.flatMap((name) => hostNameOf(name) ?? []);
}

/** A host name or an address; undefined when the text is neither. */
export function hostNameOf(text: string): HostName | undefined {
  const value = text.toLowerCase();
  if (isIP(value) !== 0) return { type: 'ip', value };
  return hostPattern.test(value) ? { type: 'dns', value } : undefined;
}
