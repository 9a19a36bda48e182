import { pingPacket, publishPacket, type RawMqtt } from '@sallyport/testkit';

export const topicCount = 10;
const mostPacketIds = 60_000;
/** Where the payload has its numbers: the time it was sent, its sequence number, the number of its publisher. */
const [timeAt, sequenceAt, publisherAt] = [0, 8, 12];
const headBytes = 14;

export interface Stamp {
  readonly sentAt: number;
  readonly sequence: number;
  readonly publisher: number;
}

/** Reads what a publisher wrote into the payload. */
export function stampOf(payload: Buffer): Stamp {
  return {
    sentAt: payload.readDoubleLE(timeAt),
    sequence: payload.readUInt32LE(sequenceAt),
    publisher: payload.readUInt16LE(publisherAt),
  };
}

export interface PublisherOptions {
  readonly qos: 0 | 1;
  /** Of each PUBLISH, all of it. */
  readonly packetBytes: number;
  /** First levels of its topics. */
  readonly topicRoot: string;
}

/** One publisher of numbered messages to ten topics in turn. */
export class LoadPublisher {
  published = 0;
  /** Messages that the server has certainly processed: acknowledged, or before an answered ping. */
  processed = 0;
  onProgress: () => void = () => undefined;
  private readonly topics: readonly string[];
  private readonly filler: Buffer;
  private readonly pings: number[] = [];

  constructor(
    private readonly client: RawMqtt,
    private readonly index: number,
    private readonly options: PublisherOptions,
  ) {
    this.topics = Array.from({ length: topicCount }, (_, topic) => `${options.topicRoot}/${index}/t${topic}`);
    // MQTT 3.1.1 §3.3: the type, the length of the rest (two bytes from 128 on), the topic with its length, the id.
    const [{ length } = ''] = this.topics;
    const before = (options.packetBytes < 130 ? 2 : 3) + 2 + length + (options.qos === 0 ? 0 : 2);
    this.filler = Buffer.alloc(Math.max(headBytes, options.packetBytes - before), 'x');
    client.onAcknowledged = () => this.progress(this.processed + 1);
    client.onPong = () => this.progress(this.pings.shift() ?? this.processed);
  }

  /** Publishes so many messages in one write. At QoS 0 a ping follows them, if they must be counted. */
  publish(count: number, { isPinged = false } = {}): void {
    const packets: Uint8Array[] = [];
    for (let each = 0; each < count; each += 1) packets.push(this.nextPacket());
    if (isPinged) {
      packets.push(pingPacket);
      this.pings.push(this.published);
    }
    this.client.write(packets);
  }

  private nextPacket(): Buffer {
    const sequence = this.published++;
    const payload = this.filler;
    payload.writeDoubleLE(performance.now(), timeAt);
    payload.writeUInt32LE(sequence, sequenceAt);
    payload.writeUInt16LE(this.index, publisherAt);
    const topic = this.topics[sequence % topicCount] ?? '';
    const id = this.options.qos === 0 ? {} : { packetId: (sequence % mostPacketIds) + 1 };
    return publishPacket({ topic, payload, ...id });
  }

  private progress(processed: number): void {
    this.processed = processed;
    this.onProgress();
  }
}
