import type { Duplex } from 'node:stream';
import { waitFor } from '@sallyport/testkit';
import { encodePacket } from './encode.js';
import { PacketReader } from './packet-reader.js';
import type {
  ConnectPacket,
  MqttPacket,
  PacketType,
  ProtocolVersion,
  PublishPacket,
  Qos,
  ReasonPacket,
  SubscriptionRequest,
} from './packets.js';

type OfType<P extends MqttPacket, T extends PacketType> = P extends MqttPacket
  ? T extends P['type']
    ? P
    : never
  : never;
type Received<T extends PacketType> = OfType<MqttPacket, T>;

const silent = { userName: undefined, password: undefined, will: undefined, properties: undefined };

/** An MQTT client that does what a test says, and nothing else: it acknowledges nothing by itself. */
export class WireClient implements AsyncDisposable {
  readonly received: MqttPacket[] = [];
  isClosed = false;
  private nextPacketId = 100;

  /** @param stream the client's end of a connection, on which nothing was sent yet */
  constructor(
    protected readonly stream: Duplex,
    private readonly version: ProtocolVersion = 4,
  ) {
    const reader = new PacketReader({ sender: 'server', version, largestBytes: 268_435_455 });
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
  connect(options: Partial<Omit<ConnectPacket, 'type'>> = {}): this {
    const usual = { clientId: 'client', isClean: true, keepAliveSeconds: 0 } as const;
    this.send({ type: 'connect', ...silent, ...usual, version: this.version, ...options });
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

  /** Waits until the server has served everything sent so far. */
  async settle(): Promise<void> {
    this.send({ type: 'pingreq' });
    await this.next('pingresp');
  }

  /** Takes everything the server has sent so far. */
  async soFar(): Promise<MqttPacket[]> {
    await this.settle();
    return this.received.splice(0);
  }

  /** Everything until the server ends the connection. */
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
    await this.closed();
  }

  async closed(): Promise<void> {
    await waitFor(() => this.isClosed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stream.destroy();
  }
}
