/**
 * Keeps account of the numbered messages of one publisher that reach one subscriber. The publisher numbers its messages
 * from 0 and uses its topics in turn. So a number also says which topic it belongs to.
 */
export class DeliveryLedger {
  /** Messages that came at least once. */
  received = 0;
  duplicates = 0;
  /** Messages that came for the first time after a later one of the same topic. */
  outOfOrder = 0;
  private seen = new Uint8Array(4_096);
  private readonly newestOfTopic: Int32Array;

  constructor(topics: number) {
    this.newestOfTopic = new Int32Array(topics).fill(-1);
  }

  /** Whether the message with this number has come. */
  has(sequence: number): boolean {
    return this.seen[sequence] === 1;
  }

  /** Takes a message that came. True when it came for the first time. */
  take(sequence: number): boolean {
    if (sequence >= this.seen.length) this.grow(sequence);
    if (this.seen[sequence] === 1) {
      this.duplicates += 1;
      return false;
    }
    this.seen[sequence] = 1;
    this.received += 1;
    const topic = sequence % this.newestOfTopic.length;
    if (sequence < (this.newestOfTopic[topic] ?? -1)) this.outOfOrder += 1;
    else this.newestOfTopic[topic] = sequence;
    return true;
  }

  private grow(sequence: number): void {
    const larger = new Uint8Array(Math.max(sequence + 1, this.seen.length * 2));
    larger.set(this.seen);
    this.seen = larger;
  }
}
