/** Bytes for one peer in one turn. A piece that starts below this limit may go beyond it. */
const bytesATurn = 256 * 1024;

interface Turn {
  bytes: number;
  readonly waiting: { readonly bytes: number; readonly go: () => void }[];
}

/**
 * All downloads of a peer share one part of each turn of the event loop. TLS encrypts a whole piece at once. So without
 * this limit, the next pieces of two hundred downloads would make all other peers wait.
 */
export class PeerSendQuota {
  /** By peer, for the peers that were sent something in this turn. */
  private readonly turns = new Map<string, Turn>();

  /** @returns a promise if the piece must wait; undefined if it may be sent now */
  take(peer: string, bytes: number): Promise<void> | undefined {
    const turn = this.turns.get(peer) ?? this.begin(peer);
    if (turn.bytes < bytesATurn && turn.waiting.length === 0) {
      turn.bytes += bytes;
      return undefined;
    }
    return new Promise((go) => turn.waiting.push({ bytes, go }));
  }

  private begin(peer: string): Turn {
    const turn: Turn = { bytes: 0, waiting: [] };
    this.turns.set(peer, turn);
    setImmediate(() => this.next(peer, turn));
    return turn;
  }

  private next(peer: string, turn: Turn): void {
    if (turn.waiting.length === 0) {
      this.turns.delete(peer);
      return;
    }
    turn.bytes = 0;
    while (turn.bytes < bytesATurn) {
      const piece = turn.waiting.shift();
      if (piece === undefined) break;
      turn.bytes += piece.bytes;
      piece.go();
    }
    setImmediate(() => this.next(peer, turn));
  }
}
