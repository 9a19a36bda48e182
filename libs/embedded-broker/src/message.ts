import {
  type Properties,
  type ProtocolVersion,
  PublishFrame,
  type PublishPacket,
  type Qos,
} from '@sallyport/mqtt-wire';
import type { Delivery, DeliveryOptions } from './delivery.js';
import type { EntryPlace, JournalEntry } from './journal/journal.js';
import type { RecordWriter } from './journal/record-writer.js';
import { sizeOfProperties } from './message-properties.js';
import { recordTypes, writeMessageProperties } from './records.js';

/** What a client publishes. */
export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties | undefined;
}

// Memory of the objects around a payload, measured. Without it empty messages would count as free.
const overheadBytes = 700;

/** What a message costs in memory and on disk, in bytes. */
export function sizeOf({ topic, payload, properties }: Pick<Publication, 'topic' | 'payload' | 'properties'>): number {
  return overheadBytes + topic.length + payload.length + sizeOfProperties(properties);
}

/** A publication on its way: one object for all its receivers. */
export class Message implements JournalEntry {
  place: EntryPlace | undefined;
  /** How many kept sessions have not acknowledged it. */
  awaited = 0;
  /** Receivers whose sessions are kept, with those that have acknowledged. */
  private deliveries: Delivery[] | undefined;
  readonly topic: string;
  readonly qos: Qos;
  readonly properties: Properties | undefined;
  /** When it is worth nothing any more, in milliseconds since 1970. */
  readonly expiresAt: number;
  /** Bytes it is counted with. */
  readonly size: number;
  /** Owner of the publisher's session; empty when the broker does not know any more, such as after a restart. */
  publishedBy = '';
  /** The batch of the journal that holds it; 0 when it is not kept there. */
  position = 0;
  /** Undefined when it is the end of `frame`. */
  private body: Buffer | undefined;
  private readonly payloadBytes: number;
  private isDetached = false;
  /** As most of its receivers get it; they seldom differ. */
  private frame: PublishFrame | undefined;
  private frameKind = 0;
  private otherFrames: Map<number, PublishFrame> | undefined;

  /**
   * @param id messages have ids in the order of their publication
   * @param publishedAt milliseconds since 1970
   */
  constructor(
    readonly id: number,
    publication: Pick<Publication, 'topic' | 'payload' | 'qos' | 'properties'>,
    readonly publishedAt: number,
  ) {
    this.topic = publication.topic;
    this.qos = publication.qos;
    this.properties = publication.properties;
    this.body = publication.payload;
    this.payloadBytes = publication.payload.length;
    this.expiresAt = expiryOf(publication.properties, publishedAt);
    this.size = sizeOf(publication);
  }

  get payload(): Buffer {
    return this.body ?? this.payloadOfFrame();
  }

  /** Encodes the message before it waits, when receivers can share the bytes; else makes it independent. */
  prepare(version: ProtocolVersion, options: DeliveryOptions): void {
    if (this.isShared(version, options)) this.sharedFrame(version, options);
    else this.detach();
  }

  /**
   * The encoded packet. Receivers with the same QoS and version share it.
   *
   * @param now milliseconds since 1970: what is left of the lifetime of the message goes to its receiver [MQTT-3.3.2-6]
   */
  frameFor(version: ProtocolVersion, options: DeliveryOptions, now: () => number): PublishFrame {
    if (this.isShared(version, options)) return this.sharedFrame(version, options);
    const { qos, retain, identifiers } = options;
    const properties = {
      ...this.properties,
      ...(this.expiresAt === Number.POSITIVE_INFINITY
        ? {}
        : { messageExpiryInterval: Math.max(0, Math.ceil((this.expiresAt - now()) / 1_000)) }),
      ...(identifiers.length === 0 ? {} : { subscriptionIdentifiers: identifiers }),
    };
    return this.encode(version, { qos, retain, properties });
  }

  private isShared(version: ProtocolVersion, { identifiers }: DeliveryOptions): boolean {
    return version !== 5 || (identifiers.length === 0 && this.expiresAt === Number.POSITIVE_INFINITY);
  }

  private sharedFrame(version: ProtocolVersion, { qos, retain }: DeliveryOptions): PublishFrame {
    const kind = qos + (version === 5 ? 3 : 0) + (retain ? 6 : 0);
    const present = this.frameKind === kind ? this.frame : this.otherFrames?.get(kind);
    if (present !== undefined) return present;
    const { properties } = this;
    const frame = this.encode(version, { qos, retain, properties });
    if (this.frame === undefined) {
      this.frame = frame;
      this.frameKind = kind;
      // The payload came as a view of a larger chunk, which must not live as long as the message.
      if (!this.isDetached) this.body = undefined;
      this.isDetached = true;
    } else {
      this.otherFrames ??= new Map();
      this.otherFrames.set(kind, frame);
    }
    return frame;
  }

  private payloadOfFrame(): Buffer {
    const { bytes } = this.frame ?? { bytes: Buffer.alloc(0) };
    return bytes.subarray(bytes.length - this.payloadBytes);
  }

  private encode(version: ProtocolVersion, header: Pick<PublishPacket, 'qos' | 'retain' | 'properties'>): PublishFrame {
    const { topic, payload } = this;
    return new PublishFrame({ type: 'publish', topic, payload, isDuplicate: false, packetId: 0, ...header }, version);
  }

  /** Makes the message independent of the chunk it came in, and of pools of small buffers: it may stay for long. */
  detach(): void {
    if (this.isDetached) return;
    this.isDetached = true;
    const copy = Buffer.allocUnsafeSlow(this.payloadBytes);
    copy.set(this.payload);
    this.body = copy;
  }

  /** Adds a receiver whose session is kept. */
  await(delivery: Delivery): void {
    // An empty array that grows gets room for seventeen.
    if (this.deliveries === undefined) this.deliveries = [delivery];
    else this.deliveries.push(delivery);
    this.awaited += 1;
  }

  record(writer: RecordWriter): void {
    const { deliveries = [] } = this;
    let open = 0;
    for (const { isOpen } of deliveries) open += isOpen ? 1 : 0;
    writer.begin(recordTypes.message);
    writer.uint48(this.id);
    writer.uint48(this.publishedAt);
    writer.byte(this.qos);
    writer.text(this.topic);
    writer.binary(this.payload);
    writeMessageProperties(writer, this.properties);
    writer.uint32(open);
    for (const delivery of deliveries) if (delivery.isOpen) delivery.writeTo(writer);
    writer.finish();
  }
}

/** @see MQTT 5.0 §3.3.2.3.3 */
export function expiryOf(properties: Properties | undefined, publishedAt: number): number {
  const seconds = properties?.messageExpiryInterval;
  return seconds === undefined ? Number.POSITIVE_INFINITY : publishedAt + seconds * 1_000;
}
