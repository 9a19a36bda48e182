import type { IncomingMessage } from 'node:http';
import { PeerLost } from './exchange.js';

/** Takes a piece of a body; returns when more may follow, unless that is now. */
export type BodyConsumer = (chunk: Buffer) => Promise<void> | undefined;

/**
 * Feeds a request's body to a consumer at the pace the consumer sets: while it waits, nothing is read from the socket.
 *
 * @throws PeerLost: the connection ended before the body did.
 * @throws whatever the consumer throws; the rest of the body is then left to the caller.
 */
export function receiveBody(req: IncomingMessage, consume: BodyConsumer): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (error: unknown): void => {
      req.off('data', take);
      reject(error);
    };
    // All bytes may be here and not yet taken: `end` comes after the last of them, or never.
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
