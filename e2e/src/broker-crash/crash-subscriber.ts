import { DeliveryLedger, RawMqtt, type RawMqttTarget } from '@sallyport/testkit';
import { topicCount } from './crash-publisher.js';

/** A subscriber with a durable session that keeps account of what it got. */
export class CrashSubscriber {
  readonly ledger = new DeliveryLedger(topicCount);
  private client: RawMqtt | undefined;

  constructor(
    readonly clientId: string,
    private readonly target: RawMqttTarget,
  ) {}

  /** Connects, and says whether the broker has kept the session. */
  async connect(): Promise<boolean> {
    const session = { clientId: this.clientId, isClean: false, keepAliveSeconds: 60 };
    // The messages can arrive together with the answer to the CONNECT.
    const onMessage = ({ payload }: { payload: Buffer }) => void this.ledger.take(payload.readUInt32LE(0));
    this.client = await RawMqtt.open(this.target, session, { onMessage });
    return this.client.isSessionPresent;
  }

  async subscribe(filter: string): Promise<void> {
    await this.client?.subscribe(filter, 1);
  }

  async disconnect(): Promise<void> {
    await this.client?.disconnect();
  }
}
