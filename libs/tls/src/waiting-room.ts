/** Requests that wait for their turn, counted by peer: it may pipeline on many connections at the same time. */
export class WaitingRoom {
  readonly #most: number;
  readonly #waiting = new Map<string, number>();

  /** @param most  requests of one peer */
  constructor(most: number) {
    this.#most = most;
  }

  /** False when the peer has too many here. Each true needs one `leave`. */
  enter(peer: string): boolean {
    const waiting = this.#waiting.get(peer) ?? 0;
    if (waiting >= this.#most) return false;
    this.#waiting.set(peer, waiting + 1);
    return true;
  }

  leave(peer: string, count = 1): void {
    const left = (this.#waiting.get(peer) ?? 0) - count;
    if (left > 0) this.#waiting.set(peer, left);
    else this.#waiting.delete(peer);
  }
}
