import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  type ConnackPacket,
  type ConnectPacket,
  encodePacket,
  type MqttPacket,
  PacketReader,
  type PublishPacket,
} from '@sallyport/mqtt-wire';
import { waitFor } from '@sallyport/testkit';
import { Bridge } from './bridge.js';
import { quick, tcpSide, testRules } from './bridge-site.fixture.js';
import type { BridgeNotice, BridgeOptions, BridgeSide, BridgeState, ConnectTerms } from './bridge-types.js';

/** What a scripted broker does with a packet. Without a rule it does what an orderly broker does. */
export interface Script {
  readonly connack?: Partial<ConnackPacket>;
  /** Called for each packet; true when the script has dealt with it. */
  readonly take?: (packet: MqttPacket, link: BrokerLink) => boolean;
}

/** A broker for one client after the other, which does what a test tells it. It remembers all that came. */
export class ScriptedBroker implements AsyncDisposable {
  readonly links: BrokerLink[] = [];
  private readonly server: Server;

  private constructor(public script: Script) {
    this.server = createServer((socket) => this.links.push(new BrokerLink(socket, this)));
  }

  static async open(script: Script = {}): Promise<ScriptedBroker> {
    const broker = new ScriptedBroker(script);
    broker.server.listen(0, '127.0.0.1');
    await once(broker.server, 'listening');
    return broker;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  /** The connection with this number, from 0, when it has subscribed or published. */
  async link(number: number): Promise<BrokerLink> {
    return await waitFor(() => this.links[number], { what: `connection ${number} of the scripted broker` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const { socket } of this.links) socket.destroy();
    await closed;
  }
}

export class BrokerLink {
  readonly packets: MqttPacket[] = [];
  connect: ConnectPacket | undefined;
  isOver = false;
  private readonly reader = new PacketReader({ sender: 'client', largestBytes: 64 * 1024 * 1024 });

  constructor(
    readonly socket: Socket,
    private readonly broker: ScriptedBroker,
  ) {
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.isOver = true;
    });
    socket.on('data', (chunk) => {
      this.reader.push(chunk);
      for (let packet = this.reader.next(); packet !== undefined; packet = this.reader.next()) this.take(packet);
    });
  }

  get version(): 4 | 5 {
    return this.connect?.version === 5 ? 5 : 4;
  }

  /** Topics and payloads of the messages that came. */
  get messages(): string[] {
    return this.publishes.map(({ topic, payload }) => `${topic} ${payload}`);
  }

  get publishes(): PublishPacket[] {
    return this.packets.filter((packet) => packet.type === 'publish');
  }

  /** Packet identifiers of the PUBACKs that came, in order. */
  get acknowledged(): number[] {
    return this.packets.flatMap((packet) => (packet.type === 'puback' ? [packet.packetId] : []));
  }

  get filters(): string[] {
    return this.packets.flatMap((packet) =>
      packet.type === 'subscribe' ? packet.subscriptions.map(({ filter }) => filter) : [],
    );
  }

  send(packet: MqttPacket): void {
    this.socket.write(encodePacket(packet, this.version));
  }

  publish(packet: Partial<PublishPacket>): void {
    this.send({
      type: 'publish',
      topic: 'out/a',
      payload: Buffer.from('text'),
      qos: 1,
      retain: false,
      isDuplicate: false,
      packetId: packet.qos === 0 ? 0 : 1,
      properties: undefined,
      ...packet,
    });
  }

  acknowledge(packetId: number, reasonCode = 0): void {
    this.send({ type: 'puback', packetId, reasonCode, properties: undefined });
  }

  private take(packet: MqttPacket): void {
    // Payloads are views of a chunk that is read over later.
    this.packets.push(packet.type === 'publish' ? { ...packet, payload: Buffer.from(packet.payload) } : packet);
    if (packet.type === 'connect') this.connect = packet;
    const { script } = this.broker;
    if (script.take?.(packet, this) !== true) this.answer(packet, script);
  }

  private answer(packet: MqttPacket, { connack }: Script): void {
    if (packet.type === 'connect')
      this.send({ type: 'connack', sessionPresent: false, reasonCode: 0, properties: undefined, ...connack });
    else if (packet.type === 'subscribe') {
      const reasonCodes = packet.subscriptions.map(({ qos }) => qos);
      this.send({ type: 'suback', packetId: packet.packetId, reasonCodes, properties: undefined });
    } else if (packet.type === 'unsubscribe') {
      const reasonCodes = packet.filters.map(() => 0);
      this.send({ type: 'unsuback', packetId: packet.packetId, reasonCodes, properties: undefined });
    } else if (packet.type === 'pingreq') this.send({ type: 'pingresp' });
    else if (packet.type === 'publish' && packet.qos > 0) this.acknowledge(packet.packetId);
  }
}

export interface ScriptedSiteOptions extends Partial<BridgeOptions> {
  readonly localScript?: Script;
  readonly remoteScript?: Script;
  readonly localTerms?: Partial<ConnectTerms>;
  readonly remoteTerms?: Partial<ConnectTerms>;
  readonly largestPublishBytes?: number;
  /** Changes how the remote broker is reached. */
  readonly overRemote?: (side: BridgeSide) => BridgeSide;
}

/** A bridge between two scripted brokers. */
export class ScriptedSite implements AsyncDisposable {
  readonly notices: BridgeNotice[] = [];
  readonly states: BridgeState[] = [];

  private constructor(
    readonly local: ScriptedBroker,
    readonly remote: ScriptedBroker,
    readonly bridge: Bridge,
  ) {}

  static async open(options: ScriptedSiteOptions = {}): Promise<ScriptedSite> {
    const [local, remote] = [
      await ScriptedBroker.open(options.localScript),
      await ScriptedBroker.open(options.remoteScript),
    ];
    const { largestPublishBytes, overRemote = (side) => side } = options;
    const bridge = new Bridge({
      local: tcpSide(local.port, options.localTerms),
      remote: overRemote({
        ...tcpSide(remote.port, options.remoteTerms),
        ...(largestPublishBytes === undefined ? {} : { largestPublishBytes }),
      }),
      rules: testRules,
      deadLetterPrefix: 'dead/',
      onNotice: (notice) => site.notices.push(notice),
      onState: (state) => site.states.push(state),
      ...options,
      limits: { ...quick, ...options.limits },
    });
    const site = new ScriptedSite(local, remote, bridge);
    bridge.start();
    return site;
  }

  /** The first connections of both sides, when messages go both ways. */
  async up(): Promise<{ readonly local: BrokerLink; readonly remote: BrokerLink }> {
    await waitFor(() => this.bridge.state.status === 'up', { what: 'the bridge to be up' });
    return { local: await this.local.link(0), remote: await this.remote.link(0) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bridge.stop();
    await Promise.all([this.local[Symbol.asyncDispose](), this.remote[Symbol.asyncDispose]()]);
  }
}

/** Leaves the messages of the bridge unacknowledged. */
export const silentOnPublish: Script = { take: (packet) => packet.type === 'publish' };
