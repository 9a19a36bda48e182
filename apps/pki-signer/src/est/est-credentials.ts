import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';

/** What a client sent as HTTP Basic credentials (RFC 7617). */
export interface BasicCredentials {
  readonly username: string;
  readonly password: string;
}

// The user is a device id and the password is a token. Both are shorter than this.
const longestHeader = 1024;

/** Reads an Authorization header; undefined when there are no Basic credentials in it. */
export function basicCredentials(header: string | undefined): BasicCredentials | undefined {
  if (header === undefined || header.length > longestHeader) return undefined;
  const encoded = /^basic +([A-Za-z0-9+/=]+) *$/i.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  // RFC 7617 §2: the user-id has no colon, the password may. Here it is the other way round, so split at the last
  // colon.
  const separator = text.lastIndexOf(':');
  if (separator < 0) return undefined;
  return { username: text.slice(0, separator), password: text.slice(separator + 1) };
}

// RFC 9266 §4: the exporter label and length of "tls-exporter".
const exporterLabel = 'EXPORTER-Channel-Binding';
const exporterBytes = 32;

/**
 * The values, in base64, that identify this TLS connection and no other.
 *
 * Up to TLS 1.2 this is tls-unique (RFC 5929 §3): the first Finished message of the handshake. The client sends it
 * first, except in a resumed session. TLS 1.3 has no tls-unique; there it is tls-exporter (RFC 9266).
 */
export function channelBindingsOf(socket: Duplex): string[] {
  if (!(socket instanceof TLSSocket)) return [];
  const isTls13 = socket.getProtocol() === 'TLSv1.3';
  const binding = isTls13
    ? socket.exportKeyingMaterial(exporterBytes, exporterLabel, Buffer.alloc(0))
    : socket.isSessionReused()
      ? socket.getFinished()
      : socket.getPeerFinished();
  return binding === undefined ? [] : [binding.toString('base64')];
}
