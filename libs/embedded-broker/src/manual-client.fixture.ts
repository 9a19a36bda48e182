import { type Duplex, duplexPair } from 'node:stream';
import {
  type ConnectPacket,
  encodePacket,
  type MqttPacket,
  PacketReader,
  type PacketType,
  type PublishPacket,
  type Qos,
} from '@sallyport/mqtt-wire';
import { waitFor } from '@sallyport/testkit';
import type { BrokerPeer, EmbeddedBroker } from './index.js';

export interface ManualClientOptions extends Partial<Omit<ConnectPacket, 'type'>> {
  readonly peer?: BrokerPeer;
  readonly network?: string;
}

type OfType<P extends MqttPacket, T extends PacketType> = P extends MqttPacket
  ? T extends P['type']
    ? P
    : never
  : never;
type Received<T extends PacketType> = OfType<MqttPacket, T>;

const silent = { userName: undefined, password: undefined, will: undefined, properties: undefined };

/** An MQTT client that does what a test says, and nothing else: it acknowledges nothing by itself. */
export class ManualClient implements AsyncDisposable {
  readonly received: MqttPacket[] = [];
  isClosed = false;
  private readonly version: 3 | 4 | 5;

  private constructor(
    private readonly stream: Duplex,
    options: ManualClientOptions,
  ) {
    this.version = options.version ?? 4;
    const reader = new PacketReader({ sender: 'server', version: this.version, largestBytes: 268_435_455 });
    stream.on('data', (chunk: Buffer) => {
      reader.push(Buffer.from(chunk));
      for (let packet = reader.next(); packet !== undefined; packet = reader.next()) this.received.push(packet);
    });
    stream.on('error', () => undefined);
    stream.on('end', () => stream.destroy());
    stream.on('close', () => {
      this.isClosed = true;
    });
  }

  /** Sends a CONNECT and does not wait. */
  static start(broker: EmbeddedBroker, options: ManualClientOptions = {}): ManualClient {
    const [ours, theirs] = duplexPair();
    const { peer, network } = options;
    broker.accept(theirs, peer, network === undefined ? {} : { network });
    return new ManualClient(ours, options).connect(options);
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

  private connect({ peer: _peer, network: _network, ...connect }: ManualClientOptions): this {
    const usual = { version: 4, clientId: 'client', isClean: true, keepAliveSeconds: 0 } as const;
    this.send({ type: 'connect', ...silent, ...usual, ...connect });
    return this;
  }

  send(packet: MqttPacket): void {
    this.stream.write(encodePacket(packet, this.version));
  }

  sendBytes(hex: string): void {
    this.stream.write(Buffer.from(hex, 'hex'));
  }

  publish(topic: string, payload: string, options: Partial<PublishPacket> = {}): void {
    const usual = { qos: 0, retain: false, isDuplicate: false, packetId: 0, properties: undefined } as const;
    this.send({ type: 'publish', topic, payload: Buffer.from(payload), ...usual, ...options });
  }

  /** Publishes at QoS 1 and waits for the PUBACK. */
  async publishKept(topic: string, payload: string, options: Partial<PublishPacket> = {}): Promise<void> {
    this.publish(topic, payload, { qos: 1, packetId: 1, ...options });
    await this.next('puback');
  }

  acknowledge(type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', packetId: number): void {
    this.send({ type, packetId, reasonCode: 0, properties: undefined });
  }

  /** Resolves to the codes of the SUBACK. */
  async subscribe(filters: Readonly<Record<string, Qos>>): Promise<readonly number[]> {
    const options = { noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const subscriptions = Object.entries(filters).map(([filter, qos]) => ({ filter, qos, ...options }));
    this.send({ type: 'subscribe', packetId: 9, subscriptions, properties: undefined });
    return (await this.next('suback')).reasonCodes;
  }

  /** Takes the next packet of a type out of what was received. */
  async next<T extends PacketType>(type: T): Promise<Received<T>> {
    let found: Received<T> | undefined;
    const isOfType = (packet: MqttPacket): packet is Received<T> => packet.type === type;
    await waitFor(() => {
      found = this.received.find(isOfType);
      return found !== undefined;
    });
    if (found === undefined) throw new Error('unreachable');
    this.received.splice(this.received.indexOf(found), 1);
    return found;
  }

  /** So many messages, as text. */
  async messages(count: number): Promise<string[]> {
    const messages: string[] = [];
    while (messages.length < count) {
      const { topic, payload, qos, retain, isDuplicate, packetId } = await this.next('publish');
      const flags = `${qos}${retain ? ' retained' : ''}${isDuplicate ? ' again' : ''}${qos > 0 ? ` #${packetId}` : ''}`;
      messages.push(`${topic} ${payload} ${flags}`);
    }
    return messages;
  }

  /** Waits until the broker has served everything sent so far. */
  async settle(): Promise<void> {
    this.send({ type: 'pingreq' });
    await this.next('pingresp');
  }

  async disconnect(): Promise<void> {
    this.send({ type: 'disconnect', reasonCode: 0, properties: undefined });
    await this.closed();
  }

  /** Ends the connection without a goodbye. */
  async drop(): Promise<void> {
    this.stream.destroy();
    await this.closed();
  }

  async closed(): Promise<void> {
    await waitFor(() => this.isClosed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stream.destroy();
  }
}
