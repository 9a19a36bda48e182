import type { Origin } from './access-rules.js';
import type { BrokerJournal } from './broker-journal.js';
import type { Crowd } from './crowd.js';
import { Inbox } from './inbox.js';
import type { EntryPlace, JournalEntry } from './journal/journal.js';
import type { RecordReader } from './journal/record-reader.js';
import type { RecordWriter } from './journal/record-writer.js';
import type { BrokerLimits } from './limits.js';
import { Outbox } from './outbox.js';
import { recordTypes } from './records.js';
import type { RetainedBacklog } from './retained-backlog.js';
import type { Share } from './share.js';
import type { Subscription } from './subscription.js';

/** Whoever uses a session at the moment. */
export interface SessionHolder {
  /** Publishes no more until the crowd lets its owner. */
  waitFor(crowd: Crowd, owner: string): void;
  /** It has published so many bytes, over all receivers. */
  published(bytes: number): void;
  /** Ends its connection: another one has come for the session. */
  yield(): void;
}

/** What the journal knows of a session. */
export interface SessionRecord {
  /** In the journal; 0 when the session is not kept. */
  readonly number: number;
  readonly name: string;
  /** Whose share it uses. */
  readonly owner: string;
  /** Running time of brokers on this journal, in milliseconds. */
  readonly usedAt: number;
  /** How long it outlives a connection, in seconds; `forever` has no end. */
  readonly expirySeconds: number;
}

/** MQTT 5.0 §3.1.2.11.2: a session that does not expire. Kept sessions of the older versions do not. */
export const forever = 0xffff_ffff;

export interface SessionOptions extends SessionRecord {
  readonly origin: Origin;
  readonly share: Share;
  readonly limits: BrokerLimits;
  readonly journal: BrokerJournal;
  readonly backlog: RetainedBacklog;
  readonly nextMessageId: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Milliseconds that only go forward. */
  readonly uptime: () => number;
}

/** What the broker knows of a client: for as long as its connection, or, when it is kept, until it is ended. */
export class Session implements JournalEntry {
  place: EntryPlace | undefined;
  readonly number: number;
  readonly name: string;
  readonly owner: string;
  readonly origin: Origin;
  readonly share: Share;
  readonly backlog: RetainedBacklog;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly subscriptions = new Map<string, Subscription>();
  holder: SessionHolder | undefined;
  /** Messages it lost since its queue was full; logged once until the queue is empty again. */
  lost = 0;
  usedAt: number;
  expirySeconds: number;
  /** When its client went, in milliseconds of the uptime: the clock of a gateway may jump. */
  leftAt: number;

  constructor(options: SessionOptions) {
    this.number = options.number;
    this.name = options.name;
    this.owner = options.owner;
    this.usedAt = options.usedAt;
    this.expirySeconds = options.expirySeconds;
    this.leftAt = options.uptime();
    this.origin = options.origin;
    this.share = options.share;
    this.backlog = options.backlog;
    this.inbox = new Inbox(options.number, options.journal);
    this.outbox = new Outbox({ ...options, session: options.number });
  }

  get isKept(): boolean {
    return this.number !== 0;
  }

  record(writer: RecordWriter): void {
    writer.begin(recordTypes.session);
    writer.uint32(this.number);
    writer.text(this.name);
    writer.text(this.owner);
    writer.uint48(this.usedAt);
    writer.uint32(this.expirySeconds);
    writer.finish();
  }

  static readRecord(record: RecordReader): SessionRecord {
    const [number, name, owner, usedAt] = [record.uint32(), record.text(), record.text(), record.uint48()];
    return { number, name, owner, usedAt, expirySeconds: record.uint32() };
  }

  writeEnd(writer: RecordWriter): void {
    writer.begin(recordTypes.sessionEnded);
    writer.uint32(this.number);
    writer.finish();
  }
}
