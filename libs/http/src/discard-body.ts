import type { IncomingMessage } from 'node:http';

/** How much of a body is thrown away before its connection ends. */
export interface DiscardBounds {
  readonly bytes: number;
  readonly ms: number;
}

/**
 * Reads the rest of a request's body and throws it away, within bounds. A connection that is closed with unread bytes is
 * reset, and the reset can destroy the answer before the client has read it (RFC 9112 §9.6).
 *
 * @param done called once: at the end of the body, when a bound is reached, or when the connection has gone
 */
export function discardBody(request: IncomingMessage, { bytes, ms }: DiscardBounds, done: () => void): void {
  let received = 0;
  const stop = (): void => {
    clearTimeout(deadline);
    request.off('data', count).off('end', stop).off('close', stop);
    done();
  };
  const count = (chunk: Buffer): void => {
    received += chunk.length;
    if (received > bytes) stop();
  };
  const deadline = setTimeout(stop, ms);
  request.on('data', count).once('end', stop).once('close', stop);
  request.resume();
}
