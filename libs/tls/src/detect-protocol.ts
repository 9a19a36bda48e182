import type { Socket } from 'node:net';

/** First byte of every TLS record that can open a connection: content type handshake (RFC 8446 §5.1). */
const tlsHandshakeRecord = 0x16;

/**
 * What a client speaks, by its first byte. `silent`: it closed without sending one. Everything that is not TLS is
 * `plain`; whether that is HTTP is for the HTTP parser to say.
 */
export type WireProtocol = 'tls' | 'plain' | 'silent';

/** Reads the first byte and puts it back, so that the next reader gets the whole stream. */
export function detectProtocol(socket: Socket): Promise<WireProtocol> {
  return new Promise((resolve) => {
    const settle = (protocol: WireProtocol) => {
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd);
      resolve(protocol);
    };
    // Not 'data': it would leave the socket flowing or paused, and the next reader expects a fresh socket.
    const onReadable = () => {
      const chunk: Buffer | null = socket.read();
      if (chunk === null) return;
      socket.unshift(chunk);
      settle(chunk[0] === tlsHandshakeRecord ? 'tls' : 'plain');
    };
    const onEnd = () => settle('silent');
    socket.on('readable', onReadable).once('end', onEnd).once('close', onEnd);
  });
}
