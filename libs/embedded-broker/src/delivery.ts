import type { Qos } from '@sallyport/mqtt-wire';
import type { EntryPlace, JournalEntry } from './journal/journal.js';
import type { RecordReader } from './journal/record-reader.js';
import type { RecordWriter } from './journal/record-writer.js';
import type { Message } from './message.js';
import { readQos, recordTypes } from './records.js';

/**
 * `waiting` for its turn, `sent` and not acknowledged, `released`: the receiver of a QoS 2 message has it and has to
 * complete the handshake, `done`.
 */
export type DeliveryState = 'waiting' | 'sent' | 'released' | 'done';

/** How a message goes to one session. */
export interface DeliveryOptions {
  readonly qos: Qos;
  /** What the RETAIN flag says: the message was kept before the subscription, or the subscription wants to know. */
  readonly retain: boolean;
  /** Subscription identifiers of MQTT 5. */
  readonly identifiers: readonly number[];
}

export const noIdentifiers: readonly number[] = [];

// In memory; in the journal they have four.
const identifierBytes = 8;

/** What a message costs one session. A client may have a thousand subscriptions that match, each with an identifier. */
export function costOf(messageBytes: number, { identifiers }: Pick<DeliveryOptions, 'identifiers'>): number {
  return messageBytes + identifiers.length * identifierBytes;
}

/** One message for one session, from the moment it is queued to its acknowledgement. */
export class Delivery implements JournalEntry {
  place: EntryPlace | undefined;
  state: DeliveryState = 'waiting';
  /** Whether it may have been sent before. */
  isDuplicate = false;

  /**
   * @param session number of the session in the journal; 0 when the session is not kept
   * @param packetId the same for each attempt [MQTT-4.4.0-1]; 0 with QoS 0
   */
  constructor(
    readonly message: Message,
    readonly session: number,
    readonly packetId: number,
    readonly options: DeliveryOptions,
  ) {}

  /** Bytes it is counted with. */
  get size(): number {
    return costOf(this.message.size, this.options);
  }

  get qos(): Qos {
    return this.options.qos;
  }

  /** Whether the receiver does not have the message yet, as far as we know. */
  get isOpen(): boolean {
    return this.state === 'waiting' || this.state === 'sent';
  }

  /** Its part of the record of the message. */
  writeTo(writer: RecordWriter): void {
    const { qos, retain, identifiers } = this.options;
    writer.uint32(this.session);
    writer.uint16(this.packetId);
    writer.byte(qos | (retain ? 4 : 0));
    writer.uint16(identifiers.length);
    for (const identifier of identifiers) writer.uint32(identifier);
  }

  static readFrom(record: RecordReader, message: Message): Delivery {
    const [session, packetId, flags, count] = [record.uint32(), record.uint16(), record.byte(), record.uint16()];
    const identifiers = Array.from({ length: count }, () => record.uint32());
    return new Delivery(message, session, packetId, {
      qos: readQos(flags & 3),
      retain: (flags & 4) !== 0,
      identifiers,
    });
  }

  /** The record of a released delivery. Before that, the message has the record. */
  record(writer: RecordWriter): void {
    writer.begin(recordTypes.released);
    writer.uint32(this.session);
    writer.uint48(this.message.id);
    writer.uint16(this.packetId);
    writer.finish();
  }

  /** The record that says how far the receiver is. */
  writeEnd(writer: RecordWriter, type: typeof recordTypes.acknowledged | typeof recordTypes.completed): void {
    writer.begin(type);
    writer.uint32(this.session);
    writer.uint48(this.message.id);
    writer.finish();
  }
}
