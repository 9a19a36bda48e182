/** What one peer may be sent before the others have their turn; a piece that begins within it may be larger. */
const bytesATurn = 256 * 1024;

interface Turn {
  bytes: number;
  readonly waiting: { readonly bytes: number; readonly go: () => void }[];
}

/**
 * Lets the downloads of a peer share one part of each turn of the event loop. To hand a piece to TLS encrypts all of
 * it at once, so the next pieces of two hundred downloads would otherwise keep everybody else waiting.
 */
export class PeerTurns {
  /** Of the peers that were sent something in this turn. */
  private readonly turns = new Map<string, Turn>();

  /** @returns when the piece may be sent, unless that is now */
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
