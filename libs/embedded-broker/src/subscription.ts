import type { Qos } from '@sallyport/mqtt-wire';
import { sharedFilter } from '@sallyport/protocol';
import type { EntryPlace, JournalEntry } from './journal/journal.js';
import type { RecordReader } from './journal/record-reader.js';
import type { RecordWriter } from './journal/record-writer.js';
import { readQos, recordTypes } from './records.js';

/** What a client asked for with one filter. */
export interface SubscriptionOptions {
  readonly filter: string;
  readonly qos: Qos;
  /** The client does not get what it publishes itself. */
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  /** Subscription identifier of MQTT 5. */
  readonly identifier: number | undefined;
}

/** A subscription of one session. */
export class Subscription implements JournalEntry {
  place: EntryPlace | undefined;

  /** @param session number of the session in the journal; 0 when the session is not kept */
  constructor(
    readonly session: number,
    readonly options: SubscriptionOptions,
  ) {}

  /** What topics have to match: without the name of the share. */
  get topicFilter(): string {
    return sharedFilter(this.options.filter) ?? this.options.filter;
  }

  /** Whether one of its group gets each message, and not all of them. */
  get isShared(): boolean {
    return sharedFilter(this.options.filter) !== undefined;
  }

  record(writer: RecordWriter): void {
    const { filter, qos, noLocal, retainAsPublished, identifier = 0 } = this.options;
    writer.begin(recordTypes.subscription);
    writer.uint32(this.session);
    writer.text(filter);
    writer.byte(qos | (noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0));
    writer.uint32(identifier);
    writer.finish();
  }

  static readFrom(record: RecordReader): Subscription {
    const [session, filter, flags, identifier] = [record.uint32(), record.text(), record.byte(), record.uint32()];
    return new Subscription(session, {
      filter,
      qos: readQos(flags & 3),
      noLocal: (flags & 4) !== 0,
      retainAsPublished: (flags & 8) !== 0,
      identifier: identifier === 0 ? undefined : identifier,
    });
  }

  writeEnd(writer: RecordWriter): void {
    writer.begin(recordTypes.unsubscribed);
    writer.uint32(this.session);
    writer.text(this.options.filter);
    writer.finish();
  }
}
