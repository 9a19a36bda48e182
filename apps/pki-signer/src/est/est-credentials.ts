import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { Problem } from '@sallyport/protocol';
import type { Connection } from '@sallyport/tls';

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

/**
 * The certificate of a connection that is to be renewed.
 *
 * @throws Problem `credentials-invalid`: the client has shown none
 */
export function renewedOn({ peer, outdated }: Pick<Connection, 'peer' | 'outdated'>) {
  if (peer?.credential.kind === 'certificate') {
    const { certificate } = peer.credential;
    return { fingerprint: certificate.fingerprint, certificate, deviceId: peer.deviceId };
  }
  if (outdated !== undefined) return { fingerprint: outdated.certificate.fingerprint, deviceId: outdated.deviceId };
  throw new Problem('credentials-invalid', 'Connect with the client certificate that is to be renewed.');
}
