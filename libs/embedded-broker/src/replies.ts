import type { BrokerJournal } from './broker-journal.js';
import { Fifo } from './fifo.js';
import type { Frame } from './frame.js';
import type { CommitListener } from './journal/journal.js';

interface Reply {
  readonly position: number;
  readonly frame: Frame;
  readonly packetId: number;
}

/**
 * The answers to a client, in the order of its packets [MQTT-4.6.0-2]. An answer promises that something is kept, so it
 * is sent when that is in the journal.
 */
export class Replies implements CommitListener {
  private readonly waiting = new Fifo<Reply>();
  private isListening = false;

  constructor(
    private readonly journal: BrokerJournal,
    private readonly send: (frame: Frame, packetId: number) => void,
  ) {}

  /** Answers when everything so far is in the journal. */
  whenKept(frame: Frame, packetId: number): void {
    this.after(this.journal.position, frame, packetId);
  }

  /** Answers as soon as the answers before it were sent. */
  inTurn(frame: Frame, packetId: number): void {
    this.after(0, frame, packetId);
  }

  committed(): void {
    this.isListening = false;
    const { committed } = this.journal;
    for (let next = this.waiting.first; next !== undefined && next.position <= committed; next = this.waiting.first) {
      this.waiting.shift();
      this.send(next.frame, next.packetId);
    }
    this.listen();
  }

  /** The connection has ended: nothing more is sent. */
  clear(): void {
    this.waiting.clear();
  }

  private after(position: number, frame: Frame, packetId: number): void {
    if (this.waiting.length === 0 && position <= this.journal.committed) {
      this.send(frame, packetId);
      return;
    }
    this.waiting.push({ position, frame, packetId });
    this.listen();
  }

  private listen(): void {
    if (this.isListening || this.waiting.length === 0) return;
    this.isListening = true;
    this.journal.whenCommitted(this);
  }
}
