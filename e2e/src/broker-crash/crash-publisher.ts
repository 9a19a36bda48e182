import { publishPacket, RawMqtt, type RawMqttTarget } from '@sallyport/testkit';

export const topicCount = 10;
const mostPacketIds = 60_000;
/** Messages that may wait for their acknowledgement. Then the publisher waits too, as real clients do. */
const window = 1_000;

/**
 * Publishes numbered QoS 1 messages at a rate, to ten topics in turn. It keeps what is not acknowledged, and sends it
 * again in order after a reconnect [MQTT-4.4.0-1]. So everything it numbers is acknowledged in the end.
 */
export class CrashPublisher {
  /** Messages numbered so far. */
  published = 0;
  private client: RawMqtt | undefined;
  private readonly unacknowledged = new Map<number, number>();

  constructor(
    private readonly target: RawMqttTarget,
    private readonly topicRoot: string,
  ) {}

  /** Messages that wait for their acknowledgement. */
  get waiting(): number {
    return this.unacknowledged.size;
  }

  /** Connects, and sends again what was not acknowledged. */
  async connect(): Promise<void> {
    const client = await RawMqtt.open(this.target, { clientId: 'publisher', isClean: false, keepAliveSeconds: 60 });
    client.onAcknowledged = (packetId) => void this.unacknowledged.delete(packetId);
    this.client = client;
    const again = [...this.unacknowledged.values()].map((sequence) => this.packetOf(sequence, true));
    if (again.length > 0) client.write(again);
  }

  /** Publishes at this rate until the connection has ended. Resolves then. */
  async publishUntilCut(perSecond: number): Promise<void> {
    const { client } = this;
    if (client === undefined) throw new Error('The publisher is not connected.');
    const [startedAt, before] = [performance.now(), this.published];
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond) - (this.published - before);
      this.publish(client, Math.min(due, window - this.waiting));
    }, 1);
    await client.ended;
    clearInterval(timer);
  }

  async disconnect(): Promise<void> {
    await this.client?.disconnect();
  }

  private publish(client: RawMqtt, count: number): void {
    // A message that the socket did not take counts too: it is sent again.
    for (let each = 0; each < count; each += 1) {
      const sequence = this.published++;
      this.unacknowledged.set(packetIdOf(sequence), sequence);
      client.write([this.packetOf(sequence, false)]);
    }
  }

  private packetOf(sequence: number, isDuplicate: boolean): Buffer {
    const payload = Buffer.alloc(100, 'x');
    payload.writeUInt32LE(sequence);
    const topic = `${this.topicRoot}/t${sequence % topicCount}`;
    return publishPacket({ topic, payload, packetId: packetIdOf(sequence), isDuplicate });
  }
}

function packetIdOf(sequence: number): number {
  return (sequence % mostPacketIds) + 1;
}
