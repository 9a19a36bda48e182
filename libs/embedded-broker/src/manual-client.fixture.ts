import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import type { ConnectPacket, MqttPacket } from '@sallyport/mqtt-wire';
import { WireClient } from '@sallyport/mqtt-wire/testing';
import type { BrokerPeer, EmbeddedBroker } from './index.js';

export interface ManualClientOptions extends Partial<Omit<ConnectPacket, 'type'>> {
  readonly peer?: BrokerPeer | undefined;
  readonly network?: string;
  readonly draining?: AbortSignal;
}

/** An MQTT client of a broker that does what a test says, and nothing else. */
export class ManualClient extends WireClient {
  /** Resolves when the broker knows that the connection has ended. */
  private brokerClosed: Promise<unknown> = Promise.resolve();

  private constructor(stream: Duplex, { version }: ManualClientOptions) {
    super(stream, version);
  }

  /** Opens a connection and sends nothing. */
  static dial(broker: EmbeddedBroker, { peer, network, draining, ...options }: ManualClientOptions = {}): ManualClient {
    const [ours, theirs] = duplexPair();
    const client = new ManualClient(ours, options);
    client.brokerClosed = once(theirs, 'close');
    const facts = { ...(network === undefined ? {} : { network }), ...(draining === undefined ? {} : { draining }) };
    broker.accept(theirs, peer, facts);
    return client;
  }

  /** Sends a CONNECT and does not wait. */
  static start(broker: EmbeddedBroker, options: ManualClientOptions = {}): ManualClient {
    return ManualClient.dial(broker, options).connect(options);
  }

  /** The same as a service of the process. */
  static serve(broker: EmbeddedBroker, options: ManualClientOptions = {}): ManualClient {
    return new ManualClient(broker.openStream(), options).connect(options);
  }

  /** Connects, and waits for the answer. */
  static async open(broker: EmbeddedBroker, options: ManualClientOptions = {}): Promise<ManualClient> {
    const client = ManualClient.start(broker, options);
    const { reasonCode } = await client.next('connack');
    if (reasonCode !== 0) throw new Error(`refused with ${reasonCode}`);
    return client;
  }

  override connect({ peer: _peer, network: _network, draining: _draining, ...connect }: ManualClientOptions): this {
    return super.connect(connect);
  }

  override async drop(): Promise<void> {
    await Promise.all([super.drop(), this.brokerClosed]);
  }
}

/** What a test compares of messages: topic and payload. */
export function messagesOf(packets: readonly MqttPacket[]): string[] {
  return packets.flatMap((packet) => (packet.type === 'publish' ? `${packet.topic} ${packet.payload}` : []));
}
