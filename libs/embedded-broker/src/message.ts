import { type Properties, type ProtocolVersion, PublishFrame, type Qos } from '@sallyport/mqtt-wire';
import type { Delivery } from './delivery.js';
import type { EntryPlace, JournalEntry } from './journal/journal.js';
import type { RecordWriter } from './journal/record-writer.js';
import { recordTypes, writeMessageProperties } from './records.js';

/** What a client publishes. */
export interface Publication {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly properties: Properties | undefined;
}

// Memory of the objects around a payload, roughly. Without it empty messages would count as free.
const overheadBytes = 200;

/** What a message costs in memory and on disk, in bytes. */
export function sizeOf({ topic, payload }: Pick<Publication, 'topic' | 'payload'>): number {
  return overheadBytes + topic.length + payload.length;
}

/** A publication on its way: one object for all its receivers. */
export class Message implements JournalEntry {
  place: EntryPlace | undefined;
  /** How many kept sessions have not acknowledged it. */
  awaited = 0;
  /** Receivers whose sessions are kept, with those that have acknowledged. */
  private readonly deliveries: Delivery[] = [];
  readonly topic: string;
  readonly qos: Qos;
  readonly properties: Properties | undefined;
  /** Bytes it is counted with. */
  readonly size: number;
  /** The batch of the journal that holds it; 0 when it is not kept there. */
  position = 0;
  private body: Buffer;
  private isDetached = false;
  private readonly frames: (PublishFrame | undefined)[] = [];

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
    this.size = sizeOf(publication);
  }

  get payload(): Buffer {
    return this.body;
  }

  /** The encoded packet; all receivers with the same QoS and version share it. */
  frameFor(version: ProtocolVersion, qos: Qos, retain: boolean): PublishFrame {
    const kind = qos + (version === 5 ? 3 : 0) + (retain ? 6 : 0);
    let frame = this.frames[kind];
    if (frame === undefined) {
      const { topic, payload, properties } = this;
      const packet = {
        type: 'publish',
        topic,
        payload,
        qos,
        retain,
        isDuplicate: false,
        packetId: 0,
        properties,
      } as const;
      frame = new PublishFrame(packet, version);
      this.frames[kind] = frame;
      // The payload came as a view of a larger chunk, which must not live as long as the message.
      if (!this.isDetached) this.body = frame.bytes.subarray(frame.bytes.length - payload.length);
      this.isDetached = true;
    }
    return frame;
  }

  /** Makes the message independent of the chunk it came in, and of pools of small buffers: it may stay for long. */
  detach(): void {
    if (this.isDetached) return;
    this.isDetached = true;
    const copy = Buffer.allocUnsafeSlow(this.body.length);
    copy.set(this.body);
    this.body = copy;
  }

  /** Adds a receiver whose session is kept. */
  await(delivery: Delivery): void {
    this.deliveries.push(delivery);
    this.awaited += 1;
  }

  record(writer: RecordWriter): void {
    const open = this.deliveries.filter(({ isOpen }) => isOpen);
    writer.begin(recordTypes.message);
    writer.uint48(this.id);
    writer.uint48(this.publishedAt);
    writer.byte(this.qos);
    writer.text(this.topic);
    writer.binary(this.payload);
    writeMessageProperties(writer, this.properties);
    writer.uint32(open.length);
    for (const delivery of open) delivery.writeTo(writer);
    writer.finish();
  }
}
