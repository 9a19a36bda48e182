import type { AccessRules } from './access-rules.js';
import { Delivery } from './delivery.js';
import { UnreleasedId } from './inbox.js';
import type { EntryPlace, Journal, JournalEntry } from './journal/journal.js';
import type { RecordReader } from './journal/record-reader.js';
import { Message } from './message.js';
import { readMessageProperties, readQos, recordTypes } from './records.js';
import { RetainedMessage, type RetainedMessages } from './retained-messages.js';
import type { Router } from './router.js';
import { Session, type SessionRecord } from './session.js';
import type { SessionTable } from './session-table.js';
import { Subscription } from './subscription.js';

/** Holds the place of an entry in the journal until its object is made. */
class Placeholder implements JournalEntry {
  place: EntryPlace | undefined;

  record(): void {
    throw new Error('an entry was written while the journal was loading');
  }
}

interface RecoveredSession {
  record: SessionRecord | undefined;
  readonly placeholder: Placeholder;
  readonly subscriptions: Map<string, Subscription>;
  readonly unreleased: Map<number, UnreleasedId>;
  /** By message id. */
  readonly released: Map<number, Delivery>;
  readonly open: Delivery[];
}

interface RecoveredMessage {
  readonly message: Message;
  readonly deliveryBySession: Map<number, Delivery>;
}

/** Where the state of an earlier run is put. */
export interface RecoveryTarget {
  readonly sessions: SessionTable;
  readonly router: Router;
  readonly retained: RetainedMessages;
  readonly rules: AccessRules;
}

// A client that has not connected for so much running time of the broker was removed or renamed, if another has come.
const forgottenAfterMs = 30 * 24 * 3_600_000;

/**
 * Reads the records of the journal in their order, and puts together what they say at the end. A record that was moved
 * may come before what it belongs to, thus nothing is joined before the last record.
 */
export class Recovery {
  /** The newest message id in the journal. */
  lastMessageId = 0;
  isImported = false;
  /** Numbers of sessions that the journal has messages for, and nothing else. */
  private readonly unknown = new Set<number>();
  private readonly ended = new Set<number>();
  /** The highest number that any record names, also those of sessions that have ended. */
  private lastSessionNumber = 0;
  private readonly sessions = new Map<number, RecoveredSession>();
  private readonly messages = new Map<number, RecoveredMessage>();
  private readonly retained = new Map<string, RetainedMessage>();

  constructor(private readonly journal: Journal) {}

  take(type: number, record: RecordReader): void {
    switch (type) {
      case recordTypes.session:
        this.takeSession(record);
        break;
      case recordTypes.sessionEnded:
        this.endSession(record.uint32());
        break;
      case recordTypes.subscription:
        this.takeSubscription(record);
        break;
      case recordTypes.unsubscribed:
        this.unsubscribe(record.uint32(), record.text());
        break;
      case recordTypes.message:
        this.takeMessage(record);
        break;
      case recordTypes.acknowledged:
        this.settle(record.uint32(), record.uint48());
        break;
      case recordTypes.released:
        this.takeReleased(record);
        break;
      case recordTypes.completed:
        this.complete(record.uint32(), record.uint48());
        break;
      case recordTypes.unreleased:
        this.takeUnreleased(record);
        break;
      case recordTypes.unreleasedEnded:
        this.endUnreleased(record.uint32(), record.uint16());
        break;
      case recordTypes.retained:
        this.takeRetained(record);
        break;
      case recordTypes.retainedEnded:
        this.endRetained(record.text());
        break;
      case recordTypes.imported:
        this.takeImported(record);
        break;
      default:
        throw new Error(`the journal holds a record of type ${type}, which this release does not know`);
    }
  }

  /** How many sessions are missing; the messages for them are left out. Known after `finish`. */
  get lostSessions(): number {
    return this.unknown.size;
  }

  /** Makes sessions, queues and retained messages of what was read. */
  finish(target: RecoveryTarget): void {
    target.sessions.startNumbersAfter(this.lastSessionNumber);
    for (const { message, deliveryBySession } of this.messages.values()) this.joinMessage(message, deliveryBySession);
    for (const recovered of this.sessions.values()) this.restoreSession(recovered, target);
    for (const { message } of this.messages.values()) if (message.awaited === 0) this.journal.forget(message);
    for (const message of this.retained.values()) target.retained.restore(message);
    endAbandoned(target.sessions);
  }

  private takeSession(record: RecordReader): void {
    const read = Session.readRecord(record);
    const session = this.sessionOf(read.number);
    session.record = read;
    this.journal.adopt(session.placeholder, record.recordBytes);
  }

  private endSession(number: number): void {
    this.ended.add(number);
    this.noteSessionNumber(number);
    const session = this.sessions.get(number);
    if (session === undefined) return;
    this.sessions.delete(number);
    this.forgetAll(session);
  }

  private takeSubscription(record: RecordReader): void {
    const subscription = Subscription.readFrom(record);
    this.unsubscribe(subscription.session, subscription.options.filter);
    this.sessionOf(subscription.session).subscriptions.set(subscription.options.filter, subscription);
    this.journal.adopt(subscription, record.recordBytes);
  }

  private unsubscribe(number: number, filter: string): void {
    const subscriptions = this.sessions.get(number)?.subscriptions;
    const former = subscriptions?.get(filter);
    if (former !== undefined) this.journal.forget(former);
    subscriptions?.delete(filter);
  }

  private takeMessage(record: RecordReader): void {
    const [id, publishedAt, qos] = [record.uint48(), record.uint48(), readQos(record.byte())];
    const [topic, payload, properties] = [record.text(), record.binary(), readMessageProperties(record)];
    const message = new Message(id, { topic, payload, qos, properties }, publishedAt);
    const deliveryBySession = new Map<number, Delivery>();
    for (let count = record.uint32(); count > 0; count -= 1) {
      const delivery = Delivery.readFrom(record, message);
      deliveryBySession.set(delivery.session, delivery);
      this.noteSessionNumber(delivery.session);
    }
    const former = this.messages.get(id);
    if (former !== undefined) this.journal.forget(former.message);
    this.messages.set(id, { message, deliveryBySession });
    this.journal.adopt(message, record.recordBytes);
    this.noteMessageId(id);
  }

  private settle(number: number, messageId: number): void {
    this.noteMessageId(messageId);
    const recovered = this.messages.get(messageId);
    if (!recovered?.deliveryBySession.delete(number) || recovered.deliveryBySession.size > 0) return;
    this.messages.delete(messageId);
    this.journal.forget(recovered.message);
  }

  private takeReleased(record: RecordReader): void {
    const [number, messageId, packetId] = [record.uint32(), record.uint48(), record.uint16()];
    this.settle(number, messageId);
    this.complete(number, messageId);
    // The receiver has the message, so only its identifiers count.
    const gone = new Message(messageId, { topic: '', payload: Buffer.alloc(0), qos: 2, properties: undefined }, 0);
    const delivery = new Delivery(gone, number, packetId, { qos: 2, retain: false, identifiers: [] });
    delivery.state = 'released';
    this.sessionOf(number).released.set(messageId, delivery);
    this.journal.adopt(delivery, record.recordBytes);
  }

  private complete(number: number, messageId: number): void {
    const released = this.sessions.get(number)?.released;
    const delivery = released?.get(messageId);
    if (delivery !== undefined) this.journal.forget(delivery);
    released?.delete(messageId);
  }

  private takeUnreleased(record: RecordReader): void {
    const entry = new UnreleasedId(record.uint32(), record.uint16());
    this.endUnreleased(entry.session, entry.packetId);
    this.sessionOf(entry.session).unreleased.set(entry.packetId, entry);
    this.journal.adopt(entry, record.recordBytes);
  }

  private endUnreleased(number: number, packetId: number): void {
    const unreleased = this.sessions.get(number)?.unreleased;
    const entry = unreleased?.get(packetId);
    if (entry !== undefined) this.journal.forget(entry);
    unreleased?.delete(packetId);
  }

  private takeRetained(record: RecordReader): void {
    const message = RetainedMessage.readFrom(record);
    this.endRetained(message.topic);
    this.retained.set(message.topic, message);
    this.journal.adopt(message, record.recordBytes);
    this.noteMessageId(message.id);
  }

  private endRetained(topic: string): void {
    const former = this.retained.get(topic);
    if (former !== undefined) this.journal.forget(former);
    this.retained.delete(topic);
  }

  private takeImported(record: RecordReader): void {
    this.isImported = true;
    this.journal.adopt(new ImportMarker(), record.recordBytes);
  }

  private joinMessage(message: Message, deliveryBySession: ReadonlyMap<number, Delivery>): void {
    for (const delivery of deliveryBySession.values()) {
      const session = this.sessions.get(delivery.session);
      session?.open.push(delivery);
      if (session?.record === undefined && !this.ended.has(delivery.session)) this.unknown.add(delivery.session);
    }
    message.detach();
  }

  private restoreSession(recovered: RecoveredSession, { sessions, router, rules }: RecoveryTarget): void {
    if (recovered.record === undefined) {
      this.forgetAll(recovered);
      return;
    }
    const session = sessions.restore(recovered.record);
    this.journal.transfer(recovered.placeholder, session);
    for (const subscription of recovered.subscriptions.values()) router.restore(session, subscription);
    for (const entry of recovered.unreleased.values()) session.inbox.restore(entry);
    // The rules may have changed since the message was queued. What is left out ends for good: its packet identifier is free.
    const mayHave = ({ message }: Delivery) => rules.mayReceive(session.origin, message.topic);
    for (const delivery of recovered.open)
      if (!mayHave(delivery))
        this.journal.end(delivery, (writer) => delivery.writeEnd(writer, recordTypes.acknowledged));
    const open = recovered.open.filter(mayHave);
    for (const delivery of open) delivery.message.await(delivery);
    const deliveries = [...open, ...recovered.released.values()];
    deliveries.sort((one, other) => one.message.id - other.message.id);
    for (const delivery of deliveries) session.outbox.restore(delivery);
  }

  private forgetAll({ placeholder, subscriptions, unreleased, released }: RecoveredSession): void {
    this.journal.forget(placeholder);
    for (const entries of [subscriptions, unreleased, released])
      for (const entry of entries.values()) this.journal.forget(entry);
  }

  private sessionOf(number: number): RecoveredSession {
    this.noteSessionNumber(number);
    const present = this.sessions.get(number);
    if (present !== undefined) return present;
    const session = {
      record: undefined,
      placeholder: new Placeholder(),
      subscriptions: new Map(),
      unreleased: new Map(),
      released: new Map(),
      open: [],
    };
    this.sessions.set(number, session);
    return session;
  }

  /** A new session with the number of one that has ended would get the messages that had waited for that one. */
  private noteSessionNumber(number: number): void {
    if (number > this.lastSessionNumber) this.lastSessionNumber = number;
  }

  private noteMessageId(id: number): void {
    if (id > this.lastMessageId) this.lastMessageId = id;
  }
}

/** In the journal when it holds what an earlier release kept in the store. */
export class ImportMarker implements JournalEntry {
  place: EntryPlace | undefined;

  record(writer: { begin(type: number): void; finish(): number }): void {
    writer.begin(recordTypes.imported);
    writer.finish();
  }
}

function endAbandoned(sessions: SessionTable): void {
  const all = [...sessions];
  const newest = Math.max(...all.map(({ usedAt }) => usedAt));
  for (const session of all)
    if (session.usedAt < newest - forgottenAfterMs || session.expirySeconds === 0) sessions.end(session);
}
