import { once } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import {
  type ConnectPacket,
  encodePacket,
  type MqttPacket,
  PacketReader,
  type PacketType,
  type PublishPacket,
  type Qos,
  type ReasonPacket,
  type SubscriptionRequest,
} from '@sallyport/mqtt-wire';
import { waitFor } from '@sallyport/testkit';
import type { BrokerPeer, EmbeddedBroker } from './index.js';

export interface ManualClientOptions extends Partial<Omit<ConnectPacket, 'type'>> {
  readonly peer?: BrokerPeer;
  readonly network?: string;
  readonly draining?: AbortSignal;
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
  /** Resolves when the broker knows that the connection has ended. */
  private brokerClosed: Promise<unknown> = Promise.resolve();
  private nextPacketId = 100;
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

  private connect({ peer: _peer, network: _network, draining: _draining, ...connect }: ManualClientOptions): this {
    const usual = { version: 4, clientId: 'client', isClean: true, keepAliveSeconds: 0 } as const;
    this.send({ type: 'connect', ...silent, ...usual, ...connect });
    return this;
  }

  send(...packets: readonly MqttPacket[]): void {
    this.stream.write(Buffer.concat(packets.map((packet) => encodePacket(packet, this.version))));
  }

  sendBytes(hex: string): void {
    this.stream.write(Buffer.from(hex, 'hex'));
  }

  publish(topic: string, payload: string, options: Partial<PublishPacket> = {}): void {
    const usual = { qos: 0, retain: false, isDuplicate: false, packetId: 0, properties: undefined } as const;
    this.send({ type: 'publish', topic, payload: Buffer.from(payload), ...usual, ...options });
  }

  /** Publishes and completes the handshake; resolves to the reason code of its first answer, 0 with QoS 0. */
  async publishWhole(topic: string, payload: string, options: Partial<PublishPacket> = {}): Promise<number> {
    const packetId = options.qos ? this.nextPacketId++ : 0;
    this.publish(topic, payload, { packetId, ...options });
    if (packetId === 0) return 0;
    if (options.qos === 1) return (await this.next('puback')).reasonCode;
    const { reasonCode } = await this.next('pubrec');
    if (reasonCode >= 0x80) return reasonCode;
    this.acknowledge('pubrel', packetId);
    await this.next('pubcomp');
    return reasonCode;
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

  /** Subscribes to one filter, with what MQTT 5 has for it; resolves to the codes of the SUBACK. */
  async request(
    filter: string,
    { identifier, ...options }: Partial<SubscriptionRequest> & { readonly identifier?: number } = {},
  ): Promise<readonly number[]> {
    const usual = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
    const properties = identifier === undefined ? undefined : { subscriptionIdentifiers: [identifier] };
    this.send({ type: 'subscribe', packetId: 9, subscriptions: [{ ...usual, ...options, filter }], properties });
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

  /** Takes everything the broker has sent so far. */
  async soFar(): Promise<MqttPacket[]> {
    await this.settle();
    return this.received.splice(0);
  }

  /** Everything until the broker ends the connection. */
  async rest(): Promise<MqttPacket[]> {
    await this.closed();
    return this.received.splice(0);
  }

  async disconnect(options: Partial<Omit<ReasonPacket, 'type'>> = {}): Promise<void> {
    this.send({ type: 'disconnect', reasonCode: 0, properties: undefined, ...options });
    await this.closed();
  }

  /** Ends the connection without a goodbye. */
  async drop(): Promise<void> {
    this.stream.destroy();
    await Promise.all([this.closed(), this.brokerClosed]);
  }

  async closed(): Promise<void> {
    await waitFor(() => this.isClosed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stream.destroy();
  }
}

/** What a test compares of messages: topic and payload. */
export function messagesOf(packets: readonly MqttPacket[]): string[] {
  return packets.flatMap((packet) => (packet.type === 'publish' ? `${packet.topic} ${packet.payload}` : []));
}
