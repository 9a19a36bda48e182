import type { Socket } from 'node:net';

/** First byte of every TLS record that can open a connection: content type handshake (RFC 8446 §5.1). */
const tlsHandshakeRecord = 0x16;

/**
 * What a client speaks, told from its first byte; `silent`: it closed without one. Everything that is not TLS is
 * `plain`; the HTTP parser then decides whether it is HTTP.
 */
export type WireProtocol = 'tls' | 'plain' | 'silent';

/** Reads the first byte and puts it back, so whoever takes the socket next reads the stream from its start. */
export function detectProtocol(socket: Socket): Promise<WireProtocol> {
  return new Promise((resolve) => {
    const settle = (protocol: WireProtocol) => {
      socket.off('readable', onReadable).off('end', onEnd).off('close', onEnd);
      resolve(protocol);
    };
    // Not 'data': that would leave the socket paused or flowing, and its next owner expects neither.
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
