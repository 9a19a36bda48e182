import { type Frame } from '@sallyport/mqtt-wire';
import type { BrokerJournal } from './broker-journal.js';
import { Fifo } from './fifo.js';
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
  private position = 0;
  private recordsBefore = 0;

  constructor(
    private readonly journal: BrokerJournal,
    private readonly send: (frame: Frame, packetId: number) => void,
  ) {}

  /** Call this before each packet: its answer waits only for what was written because of it, or of earlier ones. */
  begin(): void {
    this.recordsBefore = this.journal.records;
  }

  /** Takes care that the next answers wait for everything so far, whoever wrote it. */
  waitForAll(): void {
    this.position = this.journal.position;
  }

  /** True when nothing that was done for this client still has to be written. */
  get isKept(): boolean {
    this.notePosition();
    return this.position <= this.journal.committed;
  }

  /** Answers when it is true that what was asked for is kept. */
  answer(frame: Frame, packetId: number): void {
    this.notePosition();
    if (this.waiting.length === 0 && this.position <= this.journal.committed) {
      this.send(frame, packetId);
      return;
    }
    this.waiting.push({ position: this.position, frame, packetId });
    this.listen();
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

  private notePosition(): void {
    if (this.journal.records !== this.recordsBefore) this.waitForAll();
  }

  private listen(): void {
    if (this.isListening || this.waiting.length === 0) return;
    this.isListening = true;
    this.journal.whenCommitted(this);
  }
}
