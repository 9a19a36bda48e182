import type { Destination } from '@sallyport/tls';
import type { ConnectorDirectory } from '../front/connector-directory.js';

/** A request for another host than the connection is for. */
export class Misdirected extends Error {
  override readonly name = 'Misdirected';
}

/**
 * Requires that the `Host` of a request is that of the TLS handshake. A client that named no host there, as for an
 * address, may ask for any host of its connector.
 *
 * @throws Misdirected
 */
export function requireHost(host: string, { serverName, connector }: Destination, directory: ConnectorDirectory): void {
  const name = host.replace(/:\d+$/, '').toLowerCase();
  const isRight = serverName === undefined ? directory.connectorOf(name) === connector : name === serverName;
  if (isRight) return;
  throw new Misdirected('This connection is for another host. Connect again with the name of this one (SNI).');
}
