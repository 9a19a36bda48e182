import type { BrokerJournal } from './broker-journal.js';
import type { EntryPlace, JournalEntry } from './journal/journal.js';
import type { RecordWriter } from './journal/record-writer.js';
import { recordTypes } from './records.js';

/** A QoS 2 message of a client that was passed on, and whose identifier the client has not released. */
export class UnreleasedId implements JournalEntry {
  place: EntryPlace | undefined;

  constructor(
    readonly session: number,
    readonly packetId: number,
  ) {}

  record(writer: RecordWriter): void {
    this.write(writer, recordTypes.unreleased);
  }

  writeEnd(writer: RecordWriter): void {
    this.write(writer, recordTypes.unreleasedEnded);
  }

  private write(writer: RecordWriter, type: number): void {
    writer.begin(type);
    writer.uint32(this.session);
    writer.uint16(this.packetId);
    writer.finish();
  }
}

/**
 * The QoS 2 messages that come from a client, from PUBLISH to PUBREL: each is passed on once.
 *
 * @see MQTT 3.1.1 §4.3.3
 */
export class Inbox {
  private readonly unreleased = new Map<number, UnreleasedId>();

  /** @param session number of the session in the journal; 0 when the session is not kept */
  constructor(
    private readonly session: number,
    private readonly journal: BrokerJournal,
  ) {}

  get size(): number {
    return this.unreleased.size;
  }

  has(packetId: number): boolean {
    return this.unreleased.has(packetId);
  }

  add(packetId: number): void {
    const entry = new UnreleasedId(this.session, packetId);
    this.unreleased.set(packetId, entry);
    if (this.session !== 0) this.journal.keep(entry);
  }

  restore(entry: UnreleasedId): void {
    this.unreleased.set(entry.packetId, entry);
  }

  /** PUBREL; false when there is no such message. PUBCOMP may be sent when this is in the journal. */
  release(packetId: number): boolean {
    const entry = this.unreleased.get(packetId);
    if (entry === undefined) return false;
    this.unreleased.delete(packetId);
    if (this.session !== 0) this.journal.end(entry, (writer) => entry.writeEnd(writer));
    return true;
  }

  /** Forgets everything: the session has ended, and the journal knows. */
  end(): void {
    for (const entry of this.unreleased.values()) this.journal.forget(entry);
    this.unreleased.clear();
  }
}
