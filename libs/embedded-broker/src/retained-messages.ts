import type { Properties, Qos } from '@sallyport/mqtt-wire';
import type { BrokerJournal } from './broker-journal.js';
import type { EntryPlace, JournalEntry } from './journal/journal.js';
import type { RecordReader } from './journal/record-reader.js';
import type { RecordWriter } from './journal/record-writer.js';
import { expiryOf, type Publication, sizeOf } from './message.js';
import { readMessageProperties, readQos, recordTypes, writeMessageProperties } from './records.js';
import { RetainedTree } from './retained-tree.js';
import type { Share, Shortage } from './share.js';

/** The last message of a topic that was published to be kept. */
export class RetainedMessage implements JournalEntry {
  place: EntryPlace | undefined;
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly properties: Properties | undefined;
  readonly size: number;
  /** When it is worth nothing any more, in milliseconds since 1970. */
  readonly expiresAt: number;

  /**
   * @param id place in the order of all messages
   * @param publishedAt milliseconds since 1970
   */
  constructor(
    publication: Omit<Publication, 'retain'>,
    readonly owner: string,
    readonly id: number,
    readonly publishedAt: number,
  ) {
    this.topic = publication.topic;
    // A copy of its own: the payload came as a view of a larger chunk.
    this.payload = Buffer.allocUnsafeSlow(publication.payload.length);
    this.payload.set(publication.payload);
    this.qos = publication.qos;
    this.properties = publication.properties;
    this.size = sizeOf(publication);
    this.expiresAt = expiryOf(publication.properties, publishedAt);
  }

  record(writer: RecordWriter): void {
    writer.begin(recordTypes.retained);
    writer.uint48(this.id);
    writer.uint48(this.publishedAt);
    writer.text(this.owner);
    writer.byte(this.qos);
    writer.text(this.topic);
    writer.binary(this.payload);
    writeMessageProperties(writer, this.properties);
    writer.finish();
  }

  static readFrom(record: RecordReader): RetainedMessage {
    const [id, publishedAt, owner] = [record.uint48(), record.uint48(), record.text()];
    const [qos, topic, payload] = [readQos(record.byte()), record.text(), record.binary()];
    const properties = readMessageProperties(record);
    return new RetainedMessage({ topic, payload, qos, properties }, owner, id, publishedAt);
  }
}

export interface RetainedOptions {
  readonly journal: BrokerJournal;
  /** The share of an identity, for one more holder. */
  readonly holdShare: (owner: string) => Share;
  readonly releaseShare: (share: Share) => void;
}

interface Kept {
  readonly message: RetainedMessage;
  readonly share: Share;
}

/** The retained messages of all topics, each charged to the share of its publisher. */
export class RetainedMessages {
  private readonly tree = new RetainedTree<Kept>();
  private count = 0;

  constructor(private readonly options: RetainedOptions) {}

  get size(): number {
    return this.count;
  }

  get(topic: string): RetainedMessage | undefined {
    return this.tree.get(topic)?.message;
  }

  /** The kept messages a filter matches. */
  matching(filter: string): RetainedMessage[] {
    return this.tree.matching(filter).map(({ message }) => message);
  }

  /** Keeps a message; says which room is missing when it cannot be kept. The former one is then still there. */
  keep(message: RetainedMessage): Shortage | undefined {
    const share = this.options.holdShare(message.owner);
    const former = this.tree.get(message.topic);
    const formerOfSame = former?.share === share ? former.message : undefined;
    const shortage =
      share.shortage('retainedMessages', formerOfSame === undefined ? 1 : 0) ??
      share.shortage('retainedBytes', message.size - (formerOfSame?.size ?? 0));
    if (shortage !== undefined) {
      this.options.releaseShare(share);
      return shortage;
    }
    if (former !== undefined) this.discharge(former);
    this.charge({ message, share });
    if (former !== undefined) this.options.journal.forget(former.message);
    this.options.journal.keep(message);
    return undefined;
  }

  /** Puts back what the journal kept, even above the share: it was acknowledged. */
  restore(message: RetainedMessage): void {
    this.charge({ message, share: this.options.holdShare(message.owner) });
  }

  /** Forgets the message of a topic [MQTT-3.3.1-10]. */
  remove(topic: string): void {
    const kept = this.tree.get(topic);
    if (kept === undefined) return;
    this.tree.delete(topic);
    this.discharge(kept);
    this.options.journal.end(kept.message, (writer) => {
      writer.begin(recordTypes.retainedEnded);
      writer.text(topic);
      writer.finish();
    });
  }

  private charge(kept: Kept): void {
    this.count += 1;
    kept.share.take('retainedMessages', 1);
    kept.share.take('retainedBytes', kept.message.size);
    this.tree.set(kept.message.topic, kept);
  }

  private discharge({ message, share }: Kept): void {
    this.count -= 1;
    share.take('retainedMessages', -1);
    share.take('retainedBytes', -message.size);
    this.options.releaseShare(share);
  }
}
