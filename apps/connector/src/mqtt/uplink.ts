/** How a write ended. */
export type WriteOutcome =
  | { readonly kind: 'kept' }
  /** The value itself is at fault: it would be refused again. */
  | { readonly kind: 'rejected'; readonly reason: string }
  /** It may be kept when it comes again. */
  | { readonly kind: 'failed'; readonly error: unknown };

export interface UplinkOptions {
  /** Writes that may be on their way at a time. */
  readonly mostWrites: number;
  /** The same in bytes of their payloads. One that is larger goes alone. */
  readonly mostBytes: number;
  /** There is room for another write again. */
  readonly onRoom: () => void;
  /** Everything so far has ended. */
  readonly onIdle: () => void;
}

export interface UplinkWrite {
  /** Of the payload, in bytes. */
  readonly size: number;
  /** Called once, when the write and every one before it has ended: answers go in the order of packets [MQTT-4.6.0-2]. */
  readonly answer: (outcome: WriteOutcome) => void;
}

interface Pending extends UplinkWrite {
  outcome: WriteOutcome | undefined;
}

/** The writes of one session that are not durable yet. They run side by side and are answered in order. */
export class Uplink {
  private pending: Pending[] = [];
  private bytes = 0;

  constructor(private readonly options: UplinkOptions) {}

  get isIdle(): boolean {
    return this.pending.length === 0;
  }

  get isFull(): boolean {
    return this.pending.length >= this.options.mostWrites || this.bytes >= this.options.mostBytes;
  }

  add(write: UplinkWrite, ending: Promise<WriteOutcome>): void {
    const entry: Pending = { ...write, outcome: undefined };
    this.pending.push(entry);
    this.bytes += entry.size;
    void ending
      .catch((error: unknown): WriteOutcome => ({ kind: 'failed', error }))
      .then((outcome) => {
        entry.outcome = outcome;
        this.answerFirst();
      });
  }

  private answerFirst(): void {
    const wasFull = this.isFull;
    for (let [first] = this.pending; first?.outcome !== undefined; [first] = this.pending) {
      this.pending.shift();
      this.bytes -= first.size;
      first.answer(first.outcome);
    }
    if (wasFull && !this.isFull) this.options.onRoom();
    if (this.isIdle) this.options.onIdle();
  }
}
