import { hostname } from 'node:os';
import type { Settings } from '@sallyport/config';
import { serverNames } from '@sallyport/identity';
import type { HostName } from '@sallyport/protocol';

/**
 * The names and addresses under which clients may reach listeners, for their certificate; localhost first.
 *
 * @param bindAddresses addresses of listeners; the unspecified one and one with a zone cannot be in a certificate
 */
export function hostNames(settings: Settings, bindAddresses: readonly string[]): HostName[] {
  return serverNames(hostname(), [...bindAddresses, ...settings.require('pki.hostnames')]);
}
