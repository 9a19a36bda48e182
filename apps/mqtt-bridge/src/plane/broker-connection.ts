import type { Duplex } from 'node:stream';
import {
  type ConnackPacket,
  encodeAck,
  encodeConnect,
  encodePing,
  encodeReason,
  type MqttPacket,
  PacketReader,
  PublishView,
  protocolError,
  publishTypeNumber,
  reasonCodes,
} from '@sallyport/mqtt-wire';
import { asError, wordsOf } from './bridge-fault.js';
import type { BridgeClock, BridgeLimits, ConnectTerms } from './bridge-types.js';
import { BrokerRequests, isOfRequest } from './broker-requests.js';
import { connectPacket, type PeerTerms, peerTerms } from './connect-packet.js';
import { TurnOutput } from './turn-output.js';

/** Who gets what a broker sends. Each method may throw a PacketError: the broker is then disconnected. */
export interface BrokerConnectionHandler {
  /** A chunk came; packets follow. */
  turn(): void;
  /** The view is aimed at a PUBLISH, and is aimed at another one afterwards. */
  published(view: PublishView): void;
  acknowledged(packetId: number, reasonCode: number): void;
  /** What was unsent has been sent. */
  drained(): void;
}

export interface BrokerConnectionOptions {
  readonly stream: Duplex;
  readonly terms: ConnectTerms;
  readonly limits: BridgeLimits;
  readonly clock: BridgeClock;
  /** Messages of QoS 1 that the broker may send at a time, if it speaks MQTT 5. */
  readonly receiveMaximum: number;
}

const pubackTypeNumber = 4;

/** One connection to a broker: the client half of MQTT 3.1.1 and 5. It does not reconnect, and it keeps no session. */
export class BrokerConnection {
  readonly output: TurnOutput;
  readonly version: 4 | 5;
  /** Subscriptions, and messages of our own. */
  readonly requests: BrokerRequests;
  /** Resolves when the connection is over, to the reason. */
  readonly ended: Promise<Error>;
  private readonly reader: PacketReader;
  private readonly view: PublishView;
  private handler: BrokerConnectionHandler | undefined;
  private onConnack: ((connack: ConnackPacket) => void) | undefined;
  private terms: PeerTerms | undefined;
  private fault: Error | undefined;
  private resolveEnded: (fault: Error) => void = () => undefined;
  private lastReadMs: number;
  private stopKeepAlive = (): void => undefined;
  /** Whether it is not read now. */
  isPaused = false;

  constructor(private readonly options: BrokerConnectionOptions) {
    const { stream, terms, limits, clock } = options;
    this.version = terms.version;
    this.output = new TurnOutput(stream);
    this.requests = new BrokerRequests(this.output, terms.version);
    this.reader = new PacketReader({
      sender: 'server',
      version: terms.version,
      largestBytes: limits.largestPacketBytes,
    });
    this.view = new PublishView(terms.version);
    this.lastReadMs = clock.nowMs();
    this.ended = new Promise((resolve) => {
      this.resolveEnded = resolve;
    });
    stream.on('data', (chunk: Buffer) => this.read(chunk));
    stream.on('error', (error) => this.fail(error));
    stream.on('end', () => this.fail(new Error('The broker closed the connection.')));
    stream.on('close', () => this.fail(new Error('The connection ended.')));
    stream.on('drain', () => this.guarded(() => this.handler?.drained()));
    if (stream.destroyed) this.fail(new Error('The connection ended.'));
  }

  get isOver(): boolean {
    return this.fault !== undefined;
  }

  /** What the broker said in CONNACK. Only after `connect`. */
  get peer(): PeerTerms {
    if (this.terms === undefined) throw new Error('The connection has no CONNACK yet.');
    return this.terms;
  }

  /** Bytes that the system has not taken yet. */
  get unsentBytes(): number {
    return this.output.unsentBytes;
  }

  /**
   * Sends CONNECT, and waits for CONNACK. What comes behind it is read only after `start`.
   *
   * @throws ConnectRefused, or what ended the connection
   */
  async connect(): Promise<PeerTerms> {
    const { terms, limits, clock, receiveMaximum } = this.options;
    const { connackDeadlineMs } = limits;
    const cancel = clock.after(connackDeadlineMs, () =>
      this.fail(new Error(`The broker did not answer CONNECT within ${connackDeadlineMs / 1000} s.`)),
    );
    const connack = new Promise<ConnackPacket>((resolve) => {
      this.onConnack = resolve;
    });
    this.output.add(encodeConnect(connectPacket(terms, receiveMaximum, limits.largestPacketBytes)));
    try {
      const answer = await Promise.race([connack, this.ended]);
      if (answer instanceof Error) throw answer;
      this.terms = peerTerms(answer, terms);
      return this.terms;
    } catch (error) {
      this.fail(asError(error));
      throw error;
    } finally {
      cancel();
    }
  }

  /** Reads on behind CONNACK. */
  start(handler: BrokerConnectionHandler): void {
    this.handler = handler;
    this.onConnack = undefined;
    this.keepAlive(this.peer.keepAliveSeconds * 1000);
    // In a turn of its own: what came together with CONNACK may end the connection, and the caller is not ready yet.
    setImmediate(() => {
      this.guarded(() => this.readPackets());
      if (!this.isPaused) this.options.stream.resume();
    });
  }

  /** Nothing more is read, so the broker has to wait. Its acknowledgements wait too. */
  pauseReading(): void {
    this.isPaused = true;
    this.options.stream.pause();
  }

  resumeReading(): void {
    this.isPaused = false;
    this.lastReadMs = this.options.clock.nowMs();
    this.options.stream.resume();
  }

  /** Ends the connection without a word, so that the broker keeps what it has not got acknowledged. */
  fail(fault: Error): void {
    if (this.fault !== undefined) return;
    this.fault = fault;
    this.stopKeepAlive();
    this.options.stream.destroy();
    this.requests.forget();
    this.resolveEnded(fault);
  }

  /** Ends the connection after what is gathered. If there is a will, the broker publishes it. */
  async end(): Promise<void> {
    const { stream, terms } = this.options;
    if (this.isOver) return;
    // MQTT 5.0 §3.14.2.1; MQTT 3.1.1 has no such DISCONNECT, but an end without one does the same (§3.1.2.5).
    const reasonCode = terms.will === undefined ? reasonCodes.success : reasonCodes.disconnectWithWill;
    const disconnect = { type: 'disconnect', reasonCode, properties: undefined } as const;
    if (this.version === 5 || terms.will === undefined) this.output.add(encodeReason(disconnect, this.version));
    this.output.flush();
    // The broker closes the connection. Who closes with bytes unread resets it, and DISCONNECT may be lost with it.
    stream.end();
    this.resumeReading();
    const { clock, limits } = this.options;
    const cancel = clock.after(limits.drainMs, () => this.fail(new Error('The broker did not take DISCONNECT.')));
    await this.ended;
    cancel();
  }

  private read(chunk: Buffer): void {
    if (this.isOver) return;
    this.lastReadMs = this.options.clock.nowMs();
    this.guarded(() => {
      this.reader.push(chunk);
      this.readPackets();
    });
  }

  private readPackets(): void {
    const { handler, reader } = this;
    if (handler === undefined) this.readConnack();
    else {
      handler.turn();
      while (this.fault === undefined && reader.advance()) this.take(handler);
    }
  }

  private take(handler: BrokerConnectionHandler): void {
    const { reader, view } = this;
    if (reader.typeNumber === publishTypeNumber) {
      view.aim(reader);
      handler.published(view);
    } else if (reader.typeNumber === pubackTypeNumber) this.takePuback(handler);
    else this.serve(reader.decode());
  }

  private takePuback(handler: BrokerConnectionHandler): void {
    const { frameBytes, bodyStart, frameEnd } = this.reader;
    const bodyBytes = frameEnd - bodyStart;
    if (bodyBytes < 2 || (bodyBytes > 2 && this.version !== 5)) throw protocolError('PUBACK has a wrong length');
    const packetId = ((frameBytes[bodyStart] ?? 0) << 8) | (frameBytes[bodyStart + 1] ?? 0);
    const reasonCode = bodyBytes > 2 ? (frameBytes[bodyStart + 2] ?? 0) : reasonCodes.success;
    if (isOfRequest(packetId)) this.requests.answer(packetId, [reasonCode]);
    else handler.acknowledged(packetId, reasonCode);
  }

  private readConnack(): void {
    if (this.terms !== undefined || !this.reader.advance()) return;
    const packet = this.reader.decode();
    if (packet.type !== 'connack') throw protocolError(`${packet.type.toUpperCase()} came before CONNACK`);
    if (this.onConnack === undefined) throw protocolError('a second CONNACK came');
    // What comes behind it is for those who are told of it next.
    this.options.stream.pause();
    this.onConnack(packet);
    this.onConnack = undefined;
  }

  private serve(packet: MqttPacket): void {
    switch (packet.type) {
      case 'suback':
      case 'unsuback':
        this.requests.answer(packet.packetId, packet.reasonCodes);
        break;
      case 'pingresp':
        break;
      case 'pubrel':
        // The sender of a QoS 2 message of an older session has got our PUBREC. We keep nothing of it.
        this.output.add(encodeAck({ ...packet, type: 'pubcomp', reasonCode: 0, properties: undefined }, this.version));
        break;
      case 'disconnect':
        throw new Error(`The broker ended the connection: ${wordsOf(packet.reasonCode)}.`);
      default:
        throw protocolError(`${packet.type.toUpperCase()} must not come now`);
    }
  }

  private keepAlive(intervalMs: number): void {
    if (intervalMs === 0 || this.isOver) return;
    const { clock } = this.options;
    this.stopKeepAlive = clock.after(intervalMs / 2, () => {
      const silentMs = clock.nowMs() - this.lastReadMs;
      // MQTT 5.0 §3.1.2.10: one and a half times the keep-alive. What we do not read is no silence of the broker.
      if (silentMs >= 1.5 * intervalMs && !this.isPaused)
        this.fail(new Error(`The broker was silent for ${Math.round(silentMs / 1000)} s.`));
      else this.output.add(encodePing({ type: 'pingreq' }));
      this.keepAlive(intervalMs);
    });
  }

  private guarded(step: () => void): void {
    if (this.isOver) return;
    try {
      step();
    } catch (error) {
      this.fail(asError(error));
    }
  }
}
