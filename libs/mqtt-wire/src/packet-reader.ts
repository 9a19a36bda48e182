import { decodeConnect } from './decode-connect.js';
import {
  decodeAck,
  decodeConnack,
  decodePing,
  decodeReason,
  decodeSuback,
  decodeSubscribe,
  decodeUnsuback,
  decodeUnsubscribe,
} from './decode-packet.js';
import { type ConnectionFormat, decodePublish, TopicMemory } from './decode-publish.js';
import { FixedHeader } from './fixed-header.js';
import { PacketCursor } from './packet-cursor.js';
import { PacketError, protocolError } from './packet-error.js';
import {
  type ConnectPacket,
  type MqttPacket,
  nameOf,
  type ProtocolVersion,
  type PublishPacket,
  packetTypes,
} from './packets.js';
import { reasonCodes } from './reason-codes.js';
import { TopicAliases } from './topic-aliases.js';

export interface PacketReaderOptions {
  /** Who sends what is read. A packet that only the other side may send is refused. */
  readonly sender: 'client' | 'server';
  /**
   * The version of the connection. Without it the first packet must be CONNECT, which says it; with it no CONNECT may
   * come. What a server sends is read with the version of the client's CONNECT.
   */
  readonly version?: ProtocolVersion;
  /** Largest packet with its fixed header, in bytes. A larger one is refused when its header has come. */
  readonly largestBytes: number;
  /** The same for CONNECT; default and at most `largestBytes`. */
  readonly largestConnectBytes?: number;
  /** Topic aliases the sender may use (MQTT 5.0 §3.3.2.3.4); default 0. */
  readonly topicAliasMaximum?: number;
}

// A packet that comes in pieces is put together in a buffer that grows with what has come, not with what it claims.
const firstAssemblyBytes = 4_096;
const longestHeaderBytes = 5;
const empty = Buffer.alloc(0);

const connectType = packetTypes.indexOf('connect');
const publishType = packetTypes.indexOf('publish');

const typeNumbers = (...names: (typeof packetTypes)[number][]) =>
  new Set(names.map((name) => packetTypes.indexOf(name)));
const forbiddenTypes = {
  client: typeNumbers('connack', 'suback', 'unsuback', 'pingresp'),
  server: typeNumbers('connect', 'subscribe', 'unsubscribe', 'pingreq'),
};

/**
 * Cuts a byte stream into MQTT packets.
 *
 * Packets are views of the chunks they came in: who keeps a payload longer than a turn copies it. Only a packet that is
 * spread over chunks is copied, once. After an error nothing more is read.
 *
 * ```ts
 * reader.push(chunk);
 * for (let packet = reader.next(); packet !== undefined; packet = reader.next()) serve(packet);
 * ```
 *
 * @see MQTT 5.0 §2.1, §4.13; MQTT 3.1.1 §2.2
 */
export class PacketReader {
  private readonly topics = new TopicMemory();
  private readonly aliases: TopicAliases;
  private readonly header = new FixedHeader();
  private readonly cursor = new PacketCursor();
  private version: ProtocolVersion | undefined;
  /** Undefined until the version is known. */
  private format: ConnectionFormat | undefined;
  private chunk: Buffer = empty;
  /** Where the next packet starts in `chunk`. */
  private position = 0;
  /** The beginning of a packet whose end has not come. */
  private assembly: Buffer | undefined;
  private assembledBytes = 0;
  /** The bytes that hold the packet found last, from `frameStart` to `frameEnd`: usually a chunk with more in it. */
  frameBytes: Buffer = empty;
  frameStart = 0;
  frameEnd = 0;
  private failure: PacketError | undefined;

  constructor(private readonly options: PacketReaderOptions) {
    const { version, topicAliasMaximum = 0 } = options;
    this.aliases = new TopicAliases(topicAliasMaximum);
    this.version = version;
    this.format = version === undefined ? undefined : { version, topics: this.topics };
  }

  /** True when no packet has begun and not ended, and none waits for `next`. */
  get isBetweenPackets(): boolean {
    return this.assembledBytes === 0 && this.position === this.chunk.length;
  }

  /** The bytes of the packet that `next` or `advance` found last, with its fixed header: a view. */
  get frame(): Buffer {
    return this.frameBytes.subarray(this.frameStart, this.frameEnd);
  }

  /** Number of its type (MQTT 5.0 §2.1.2). */
  get typeNumber(): number {
    return this.header.type;
  }

  /** Where its fixed header ends, in `frameBytes`. */
  get bodyStart(): number {
    return this.frameStart + this.header.bytes;
  }

  /** Takes the next bytes of the stream. Call `next` until it returns undefined before the next bytes. */
  push(chunk: Buffer): void {
    const isRead = this.position === this.chunk.length;
    this.chunk = isRead ? chunk : Buffer.concat([this.chunk.subarray(this.position), chunk]);
    this.position = 0;
  }

  /** What was pushed and not returned as a packet. The reader forgets it. */
  takeRest(): Buffer {
    const left = this.chunk.subarray(this.position);
    const rest =
      this.assembly === undefined ? left : Buffer.concat([this.assembly.subarray(0, this.assembledBytes), left]);
    this.assembly = undefined;
    this.assembledBytes = 0;
    this.release();
    return rest;
  }

  /**
   * @returns undefined when the bytes so far hold no whole packet
   * @throws PacketError the sender must be disconnected; every later call throws it again
   */
  next(): MqttPacket | undefined {
    return this.advance() ? this.decode() : undefined;
  }

  /**
   * Goes to the next packet and decodes nothing, for those who pass packets on. Its fixed header is checked, its body is
   * `frameBytes` from `bodyStart` to `frameEnd`, and `decode` reads it.
   *
   * @returns false when the bytes so far hold no whole packet
   * @throws PacketError as `next`
   */
  advance(): boolean {
    if (this.failure !== undefined) throw this.failure;
    try {
      return this.assembly === undefined ? this.advanceInChunk() : this.advanceInAssembly();
    } catch (error) {
      return this.fail(error);
    }
  }

  /**
   * Decodes the packet that `advance` found.
   *
   * @throws PacketError as `next`
   */
  decode(): MqttPacket {
    try {
      return this.decodeFrame();
    } catch (error) {
      return this.fail(error);
    }
  }

  private fail(error: unknown): never {
    if (error instanceof PacketError) this.failure = error;
    throw error;
  }

  private advanceInChunk(): boolean {
    const { chunk, position, header } = this;
    if (position === chunk.length) return this.release();
    const isWholeHeader = this.readHeader(chunk, position, chunk.length);
    const frameEnd = isWholeHeader ? position + header.bytes + header.bodyBytes : Number.POSITIVE_INFINITY;
    if (frameEnd > chunk.length) return this.beginAssembly(frameEnd - position);
    this.position = frameEnd;
    return this.found(chunk, position, frameEnd);
  }

  /** A connection at rest does not hold on to its last chunk. */
  private release(): false {
    this.chunk = empty;
    this.position = 0;
    return false;
  }

  private beginAssembly(frameBytes: number): false {
    const left = this.chunk.subarray(this.position);
    const assembly = Buffer.allocUnsafeSlow(Math.min(frameBytes, Math.max(firstAssemblyBytes, 2 * left.length)));
    assembly.set(left);
    this.assembly = assembly;
    this.assembledBytes = left.length;
    return this.release();
  }

  private advanceInAssembly(): boolean {
    const { header, chunk } = this;
    while (!this.readHeader(this.assembly ?? empty, 0, this.assembledBytes)) {
      if (this.position === chunk.length) return this.release();
      this.assemble(1, longestHeaderBytes);
    }
    const frameBytes = header.bytes + header.bodyBytes;
    this.assemble(Math.min(frameBytes - this.assembledBytes, chunk.length - this.position), frameBytes);
    if (this.assembledBytes < frameBytes) return this.release();
    const frame = this.assembly ?? empty;
    this.assembly = undefined;
    this.assembledBytes = 0;
    return this.found(frame, 0, frameBytes);
  }

  /** Moves bytes from the chunk to the assembly, which grows to at most `mostBytes`. */
  private assemble(bytes: number, mostBytes: number): void {
    const needed = this.assembledBytes + bytes;
    let assembly = this.assembly ?? empty;
    if (needed > assembly.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(mostBytes, Math.max(needed, 2 * assembly.length)));
      larger.set(assembly.subarray(0, this.assembledBytes));
      assembly = larger;
    }
    this.chunk.copy(assembly, this.assembledBytes, this.position, this.position + bytes);
    this.assembly = assembly;
    this.assembledBytes = needed;
    this.position += bytes;
  }

  /** Refuses a packet that must not come, or is too large, before its body is there. */
  private readHeader(bytes: Buffer, start: number, end: number): boolean {
    const { header, options } = this;
    if (!header.read(bytes, start, end)) return false;
    header.check(this.version);
    this.checkTurn(header.type);
    const frameBytes = header.bytes + header.bodyBytes;
    const limit = this.version === undefined ? this.largestConnectBytes : options.largestBytes;
    if (frameBytes <= limit) return true;
    const text = `${nameOf(header.type)} of ${frameBytes} bytes is larger than the limit of ${limit} bytes`;
    throw new PacketError(text, reasonCodes.packetTooLarge);
  }

  private get largestConnectBytes(): number {
    return Math.min(this.options.largestConnectBytes ?? Number.POSITIVE_INFINITY, this.options.largestBytes);
  }

  /** @see MQTT 5.0 [MQTT-3.1.0-1], [MQTT-3.1.0-2]: CONNECT comes first, and once */
  private checkTurn(type: number): void {
    const { sender } = this.options;
    if (forbiddenTypes[sender].has(type)) throw protocolError(`a ${sender} must not send ${nameOf(type)}`);
    if (this.version === undefined && type !== connectType) throw protocolError(`${nameOf(type)} came before CONNECT`);
    if (this.version !== undefined && type === connectType) throw protocolError('a second CONNECT came');
  }

  private found(bytes: Buffer, start: number, end: number): true {
    this.frameBytes = bytes;
    this.frameStart = start;
    this.frameEnd = end;
    return true;
  }

  private decodeFrame(): MqttPacket {
    const { cursor, header, format } = this;
    cursor.aim(this.frameBytes, this.bodyStart, this.frameEnd);
    cursor.packetName = nameOf(header.type);
    if (format === undefined) return this.decodeFirst();
    if (header.type === publishType) return this.decodePublish(format);
    return decodeBody(cursor, header.type, format.version);
  }

  private decodeFirst(): ConnectPacket {
    const connect = decodeConnect(this.cursor);
    this.version = connect.version;
    this.format = { version: connect.version, topics: this.topics };
    return connect;
  }

  private decodePublish(format: ConnectionFormat): PublishPacket {
    const publish = decodePublish(this.cursor, this.header.flags, format);
    if (publish.properties === undefined) return publish;
    // [MQTT-3.3.4-6]
    if (this.options.sender === 'client' && publish.properties.subscriptionIdentifiers !== undefined)
      throw protocolError('PUBLISH of a client has a subscription identifier');
    return publish.properties.topicAlias === undefined ? publish : this.aliases.resolve(publish);
  }
}

function decodeBody(cursor: PacketCursor, typeNumber: number, version: ProtocolVersion): MqttPacket {
  const type = packetTypes[typeNumber];
  switch (type) {
    case 'connack':
      return decodeConnack(cursor, version);
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
      return decodeAck(cursor, type, version);
    case 'subscribe':
      return decodeSubscribe(cursor, version);
    case 'suback':
      return decodeSuback(cursor, version);
    case 'unsubscribe':
      return decodeUnsubscribe(cursor, version);
    case 'unsuback':
      return decodeUnsuback(cursor, version);
    case 'pingreq':
    case 'pingresp':
      return decodePing(cursor, type);
    case 'disconnect':
    case 'auth':
      return decodeReason(cursor, type, version);
    case 'reserved':
    case 'connect':
    case 'publish':
    case undefined:
      throw protocolError(`packet type ${typeNumber} must not come now`);
    default:
      return type satisfies never;
  }
}
