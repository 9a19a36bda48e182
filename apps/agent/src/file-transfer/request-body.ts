import type { IncomingMessage } from 'node:http';
import { PeerLost } from './answer.js';

/** Takes a piece of a body. Returns a promise if the next piece must wait for it. */
export type BodyConsumer = (chunk: Buffer) => Promise<void> | undefined;

/**
 * Passes the body of a request to a consumer. While the consumer waits, nothing is read from the socket.
 *
 * @throws PeerLost: the connection ended before the end of the body.
 * @throws any error of the consumer. The caller must then handle the rest of the body.
 */
export function receiveBody(req: IncomingMessage, consume: BodyConsumer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (error: unknown): void => {
      req.off('data', take);
      reject(error);
    };
    // The last bytes may have arrived but not yet been consumed. `end` comes after them, or never.
    const lose = (): void => {
      if (!req.readableEnded) stop(new PeerLost('The connection ended within a request.'));
    };
    const take = (chunk: Buffer): void => {
      try {
        const congestion = consume(chunk);
        if (congestion === undefined) return;
        req.pause();
        congestion.then(() => req.resume(), stop);
      } catch (error) {
        stop(error);
      }
    };
    if (req.destroyed) return lose();
    req.on('data', take);
    req.once('end', resolve);
    req.once('error', lose);
    req.once('close', lose);
  });
}
