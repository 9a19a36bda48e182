import { duplexPair } from 'node:stream';
import {
  type ConnectPacket,
  encodePacket,
  type MqttPacket,
  PacketReader,
  type PublishPacket,
  type SubscriptionRequest,
} from '@sallyport/mqtt-wire';
import type { BrokerPeer } from './access-rules.js';
import type { EmbeddedBroker } from './embedded-broker.js';

export interface WireClientOptions extends Partial<Omit<ConnectPacket, 'type'>> {
  readonly peer?: BrokerPeer;
  readonly network?: string;
  readonly draining?: AbortSignal;
}

const deadlineMs = 20_000;

/** A client that sends what a test says, packets or bytes, and shows each packet of the broker in its order. */
export class WireClient {
  private readonly stream;
  private readonly reader;
  private readonly packets: MqttPacket[] = [];
  private waiting: (() => void) | undefined;
  private nextPacketId = 1;
  /** True when the broker has ended the connection. */
  isClosed = false;

  private constructor(
    broker: EmbeddedBroker,
    readonly version: 3 | 4 | 5,
    { peer, network = '192.0.2.1', draining }: WireClientOptions,
  ) {
    const [clientSide, brokerSide] = duplexPair();
    this.stream = clientSide;
    this.reader = new PacketReader({ sender: 'server', version, largestBytes: 300_000_000 });
    clientSide.on('data', (chunk: Buffer) => this.receive(chunk));
    brokerSide.once('close', () => {
      this.isClosed = true;
      this.waiting?.();
    });
    clientSide.once('end', () => clientSide.end());
    broker.accept(brokerSide, peer, { network, ...(draining === undefined ? {} : { draining }) });
  }

  /** A connection without CONNECT. */
  static dial(broker: EmbeddedBroker, options: WireClientOptions = {}): WireClient {
    return new WireClient(broker, options.version ?? 4, options);
  }

  /** Connects; `connack` is what the broker answered. */
  static async connect(broker: EmbeddedBroker, options: WireClientOptions = {}) {
    const client = WireClient.dial(broker, options);
    client.send(connectPacket(options));
    return { client, connack: await client.expect('connack') };
  }

  /** Connects, and does not mind the answer. */
  static async open(broker: EmbeddedBroker, options: WireClientOptions = {}): Promise<WireClient> {
    return (await WireClient.connect(broker, options)).client;
  }

  send(...packets: readonly MqttPacket[]): void {
    this.sendBytes(Buffer.concat(packets.map((packet) => encodePacket(packet, this.version))));
  }

  sendBytes(bytes: Buffer): void {
    this.stream.write(bytes);
  }

  /** Goes without DISCONNECT; resolves when the broker knows. */
  async cut(): Promise<void> {
    this.stream.destroy();
    await this.rest();
  }

  /** The next packet of the broker; undefined when it has ended the connection. */
  async next(): Promise<MqttPacket | undefined> {
    const endsAt = performance.now() + deadlineMs;
    while (this.packets.length === 0 && !this.isClosed) {
      if (performance.now() > endsAt) throw new Error('the broker sent nothing in time');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadlineMs);
        this.waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.packets.shift();
  }

  /** The next packet, which must be of this type. */
  async expect<Type extends MqttPacket['type']>(type: Type): Promise<PacketOf<Type>> {
    const packet = await this.next();
    if (packet !== undefined && isOf(packet, type)) return packet;
    throw new Error(`expected ${type}, got ${packet?.type ?? 'the end of the connection'}`);
  }

  /** All packets until the connection ends. */
  async rest(): Promise<MqttPacket[]> {
    const packets: MqttPacket[] = [];
    for (let packet = await this.next(); packet !== undefined; packet = await this.next()) packets.push(packet);
    return packets;
  }

  /** Everything the broker has sent so far: a ping and its answer come behind it. */
  async soFar(): Promise<MqttPacket[]> {
    this.send({ type: 'pingreq' });
    const packets: MqttPacket[] = [];
    for (let packet = await this.next(); packet?.type !== 'pingresp'; packet = await this.next()) {
      if (packet === undefined) throw new Error('the connection has ended');
      packets.push(packet);
    }
    return packets;
  }

  /** Subscribes; returns the codes of SUBACK. Retained messages may come behind it. */
  async subscribe(
    filter: string,
    options: Partial<SubscriptionRequest> & { readonly identifier?: number } = {},
  ): Promise<readonly number[]> {
    const { identifier, ...request } = options;
    const subscription = { qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0, ...request } as const;
    const properties = identifier === undefined ? undefined : { subscriptionIdentifiers: [identifier] };
    const packetId = this.newPacketId();
    this.send({ type: 'subscribe', packetId, subscriptions: [{ ...subscription, filter }], properties });
    return (await this.expect('suback')).reasonCodes;
  }

  /** Publishes, and completes the handshake; returns the reason code of the first acknowledgement. */
  async publish(topic: string, payload: string, options: Partial<PublishPacket> = {}): Promise<number> {
    const packet = publishPacket(topic, payload, { packetId: options.qos ? this.newPacketId() : 0, ...options });
    this.send(packet);
    if (packet.qos === 0) return 0;
    if (packet.qos === 1) return (await this.expect('puback')).reasonCode;
    const { reasonCode } = await this.expect('pubrec');
    if (reasonCode >= 0x80) return reasonCode;
    this.send({ type: 'pubrel', packetId: packet.packetId, reasonCode: 0, properties: undefined });
    await this.expect('pubcomp');
    return reasonCode;
  }

  disconnect(properties?: { readonly sessionExpiryInterval: number }, reasonCode = 0): void {
    this.send({ type: 'disconnect', reasonCode, properties });
  }

  private newPacketId(): number {
    return this.nextPacketId++;
  }

  private receive(chunk: Buffer): void {
    this.reader.push(chunk);
    for (let packet = this.reader.next(); packet !== undefined; packet = this.reader.next()) this.packets.push(packet);
    this.waiting?.();
  }
}

export function connectPacket({
  peer: _peer,
  network: _network,
  draining: _draining,
  ...options
}: WireClientOptions): ConnectPacket {
  return {
    type: 'connect',
    version: 4,
    clientId: 'client',
    isClean: true,
    keepAliveSeconds: 0,
    will: undefined,
    userName: undefined,
    password: undefined,
    properties: undefined,
    ...options,
  };
}

export function publishPacket(topic: string, payload: string, options: Partial<PublishPacket> = {}): PublishPacket {
  return {
    type: 'publish',
    topic,
    payload: Buffer.from(payload),
    qos: 0,
    retain: false,
    isDuplicate: false,
    packetId: 0,
    properties: undefined,
    ...options,
  };
}

/** What a test compares of messages. */
export function messagesOf(packets: readonly MqttPacket[]): string[] {
  return packets.flatMap((packet) => (packet.type === 'publish' ? `${packet.topic} ${packet.payload}` : []));
}

type PacketOf<Type extends MqttPacket['type']> = MqttPacket & { readonly type: Type };

function isOf<Type extends MqttPacket['type']>(packet: MqttPacket, type: Type): packet is PacketOf<Type> {
  return packet.type === type;
}
