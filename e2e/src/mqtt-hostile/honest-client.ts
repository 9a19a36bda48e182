import { setTimeout as sleep } from 'node:timers/promises';
import { publishPacket, RawMqtt, type RawMqttTarget, waitFor } from '@sallyport/testkit';

const pauseMs = 5;
const topic = 'te/device/honest///m/round';

/** Sends a QoS 1 message every few milliseconds, and gets it back. */
export class HonestClient implements AsyncDisposable {
  private readonly sentAt = new Map<number, number>();
  private waits: number[] = [];
  private sent = 0;

  private constructor(private readonly client: RawMqtt) {
    client.onMessage = ({ payload }) => {
      const sequence = payload.readUInt32LE(0);
      this.waits.push(performance.now() - (this.sentAt.get(sequence) ?? Number.NaN));
      this.sentAt.delete(sequence);
    };
  }

  static async open(target: RawMqttTarget): Promise<HonestClient> {
    const client = await RawMqtt.open(target, { clientId: 'honest', keepAliveSeconds: 600 });
    const honest = new HonestClient(client);
    await client.subscribe(topic, 1);
    return honest;
  }

  /**
   * Works for some time.
   *
   * @returns how long each message took to come back, in milliseconds
   * @throws Error: a message did not come back within 20 s, or the connection has ended
   */
  async work(milliseconds: number): Promise<number[]> {
    this.waits = [];
    for (const end = performance.now() + milliseconds; performance.now() < end; await sleep(pauseMs)) this.send();
    await waitFor(() => this.sentAt.size === 0, { what: `the last of ${this.sent} messages` });
    return this.waits;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.disconnect();
  }

  private send(): void {
    if (this.client.socket.destroyed) throw new Error('The honest client has lost its connection.');
    const sequence = this.sent++;
    const payload = Buffer.alloc(100);
    payload.writeUInt32LE(sequence);
    this.sentAt.set(sequence, performance.now());
    this.client.write([publishPacket({ topic, payload, packetId: (sequence % 60_000) + 1 })]);
  }
}
