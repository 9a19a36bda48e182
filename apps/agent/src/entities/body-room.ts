import { Problem } from '@sallyport/protocol';

const limits = { bytes: 64 * 1024 * 1024, bytesOfPeer: 8 * 1024 * 1024 };

/**
 * Bounds the memory of bodies that are being read, for all and for each peer: a body is read whole, and a slow peer may
 * take a minute for it.
 */
export class BodyRoom {
  private readonly takenBy = new Map<string, number>();
  private taken = 0;

  /**
   * Reserves room for one body. Call the result once, when the body is not needed any more.
   *
   * @throws Problem `unavailable`: there is none now; nothing was read
   */
  take(peer: string, bytes: number): () => void {
    const own = (this.takenBy.get(peer) ?? 0) + bytes;
    if (own > limits.bytesOfPeer || this.taken + bytes > limits.bytes)
      throw new Problem('unavailable', 'Too many large requests are being read at the moment. Try again.', {
        retryAfterSeconds: 1,
      });
    this.takenBy.set(peer, own);
    this.taken += bytes;
    return () => this.giveBack(peer, bytes);
  }

  private giveBack(peer: string, bytes: number): void {
    const rest = (this.takenBy.get(peer) ?? 0) - bytes;
    if (rest > 0) this.takenBy.set(peer, rest);
    else this.takenBy.delete(peer);
    this.taken -= bytes;
  }
}
