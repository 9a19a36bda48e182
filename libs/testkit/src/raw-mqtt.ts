import { once } from 'node:events';
import { connect as connectStream, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, TLSSocket } from 'node:tls';

/** Where an MQTT server listens: a TCP port, or a Unix socket. */
export interface RawMqttTarget {
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Address the connection comes from. Default: the system chooses. */
  readonly localAddress?: string;
  readonly socketPath?: string;
  /** With it the connection is TLS. */
  readonly tls?: ConnectionOptions;
  /** Most bytes in a TLS record that is sent, at least 512. Default: 16,384, so one record may have many packets. */
  readonly recordBytes?: number;
}

export interface RawMqttSession {
  readonly clientId: string;
  /** Default true. */
  readonly isClean?: boolean;
  /** Default 0: none. */
  readonly keepAliveSeconds?: number;
  readonly userName?: string;
  /** Published by the server, at QoS 0 unless it says 1, when the connection ends without a goodbye. */
  readonly will?: {
    readonly topic: string;
    readonly payload: string;
    readonly qos?: 0 | 1;
    readonly isRetained?: boolean;
  };
}

/** A PUBLISH that came. `topic` is read as Latin-1. `payload` is a view of the read buffer: copy what is needed longer. */
export interface RawMqttMessage {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: number;
  readonly isDuplicate: boolean;
}

export interface RawMqttPublish {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** QoS 1 with an id, else QoS 0. */
  readonly packetId?: number;
  readonly isDuplicate?: boolean;
  readonly isRetained?: boolean;
}

// MQTT 3.1.1 §2.2.1: packet types, in the upper four bits of the first byte.
const [connack, publish, puback, suback, pingresp] = [2, 3, 4, 9, 13];
const deadlineMs = 20_000;
const readBytes = 64 * 1024;

/**
 * An MQTT 3.1.1 client for tests and benchmarks, with its own framing. So our code is not checked by itself. It hides
 * nothing: no reconnect, no queue, no store. It acknowledges QoS 1 messages by itself, all of one read together.
 */
export class RawMqtt implements AsyncDisposable {
  /** Takes each message, in order. */
  onMessage: (message: RawMqttMessage) => void = () => undefined;
  /** Takes the packet id of each PUBACK. */
  onAcknowledged: (packetId: number) => void = () => undefined;
  onPong: () => void = () => undefined;
  /** Resolves when the connection has ended, to its error if it had one. */
  readonly ended: Promise<Error | undefined>;
  /** Whether the server kept a session for this client. Known once `open` has resolved. */
  isSessionPresent = false;
  private unread: Buffer = Buffer.alloc(0);
  private acknowledgements: number[] = [];
  private onReturnCode: (code: number) => void = () => undefined;
  private readonly grants = new Map<number, (grants: Buffer) => void>();
  private nextSubscribeId = 60_001;

  private constructor(readonly socket: Socket) {
    let fault: Error | undefined;
    socket.on('error', (error) => {
      fault = error;
    });
    this.ended = new Promise((resolve) => socket.once('close', () => resolve(fault)));
    socket.once('end', () => socket.destroy());
  }

  /**
   * Connects, and resolves when the server has accepted the client.
   *
   * @param handlers `onMessage` from the first byte on: a kept session's messages can come together with the CONNACK
   * @throws Error with the return code of the CONNACK, or saying that the connection ended without one
   */
  static async open(
    target: RawMqttTarget,
    session: RawMqttSession,
    { onMessage }: { readonly onMessage?: (message: RawMqttMessage) => void } = {},
  ): Promise<RawMqtt> {
    let read = (_chunk: Buffer): void => undefined;
    const client = new RawMqtt(await openSocket(target, (chunk) => read(chunk)));
    read = (chunk) => client.read(chunk);
    if (onMessage !== undefined) client.onMessage = onMessage;
    const answer = new Promise<number>((resolve) => {
      client.onReturnCode = resolve;
    });
    client.socket.write(connectPacket(session));
    const code = await client.before(answer, `the CONNECT of ${session.clientId}`);
    if (code === 0) return client;
    client.cut();
    throw new Error(`The server refused ${session.clientId} with return code ${code}.`);
  }

  /** Subscribes, and resolves to the granted QoS, or 0x80 for a refusal. */
  async subscribe(filter: string, qos: 0 | 1 | 2): Promise<number> {
    const id = this.nextSubscribeId++;
    const granted = new Promise<Buffer>((resolve) => this.grants.set(id, resolve));
    this.socket.write(subscribePacket(id, filter, qos));
    return (await this.before(granted, `the subscription to ${filter}`))[0] ?? 0x80;
  }

  /** Writes packets as one piece. False when the socket's buffer is full. */
  write(packets: readonly Uint8Array[]): boolean {
    return this.socket.write(packets.length === 1 && packets[0] ? packets[0] : Buffer.concat(packets));
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.socket.destroy();
  }

  /** Says goodbye, and resolves when the connection has ended. */
  async disconnect(): Promise<void> {
    // MQTT 3.1.1 §3.14
    this.socket.end(Buffer.from([0xe0, 0]));
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await this.ended;
  }

  private async before<T>(answer: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`The server did not answer ${what}.`)), deadlineMs);
    });
    const gone = this.ended.then((cause) => {
      throw new Error(`The connection ended before the server answered ${what}.`, { cause });
    });
    try {
      return await Promise.race([answer, gone, tooLate]);
    } finally {
      clearTimeout(timer);
    }
  }

  private read(chunk: Buffer): void {
    const bytes = this.unread.length === 0 ? chunk : Buffer.concat([this.unread, chunk]);
    let offset = 0;
    for (;;) {
      const bounds = boundsOf(bytes, offset);
      if (bounds === undefined) break;
      this.take(bytes[offset] ?? 0, bytes.subarray(bounds.start, bounds.end));
      offset = bounds.end;
    }
    // The next read overwrites the buffer of this one.
    this.unread = Buffer.from(bytes.subarray(offset));
    this.acknowledge();
  }

  private take(head: number, body: Buffer): void {
    const type = head >> 4;
    if (type === publish) this.takeMessage(head, body);
    else if (type === puback) this.onAcknowledged(body.readUInt16BE(0));
    else if (type === pingresp) this.onPong();
    else if (type === suback) this.grants.get(body.readUInt16BE(0))?.(Buffer.from(body.subarray(2)));
    else if (type === connack) {
      this.isSessionPresent = body[0] === 1;
      this.onReturnCode(body[1] ?? 0xff);
    }
  }

  private takeMessage(head: number, body: Buffer): void {
    const topicEnd = 2 + body.readUInt16BE(0);
    const qos = (head >> 1) & 3;
    if (qos > 0) this.acknowledgements.push(body.readUInt16BE(topicEnd));
    this.onMessage({
      topic: body.toString('latin1', 2, topicEnd),
      payload: body.subarray(qos > 0 ? topicEnd + 2 : topicEnd),
      qos,
      isDuplicate: (head & 8) !== 0,
    });
  }

  private acknowledge(): void {
    if (this.acknowledgements.length === 0) return;
    const packets = Buffer.allocUnsafe(this.acknowledgements.length * 4);
    this.acknowledgements.forEach((id, index) => {
      packets.writeUInt32BE((((puback << 4) << 24) | (2 << 16) | id) >>> 0, index * 4);
    });
    this.acknowledgements = [];
    if (!this.socket.destroyed) this.socket.write(packets);
  }
}

/** A CONNECT of MQTT 3.1.1 §3.1. */
export function connectPacket({
  clientId,
  isClean = true,
  keepAliveSeconds = 0,
  userName,
  will,
}: RawMqttSession): Buffer {
  // MQTT 3.1.1 §3.1.2.3
  const willFlags = will === undefined ? 0 : 4 | ((will.qos ?? 0) << 3) | (will.isRetained === true ? 0x20 : 0);
  const flags = (isClean ? 2 : 0) | willFlags | (userName === undefined ? 0 : 0x80);
  const head = Buffer.from([4, flags, keepAliveSeconds >> 8, keepAliveSeconds & 0xff]);
  const texts = [
    clientId,
    ...(will === undefined ? [] : [will.topic, will.payload]),
    ...(userName === undefined ? [] : [userName]),
  ];
  return packet(0x10, [text('MQTT'), head, ...texts.map(text)]);
}

/** A SUBSCRIBE of MQTT 3.1.1 §3.8. */
export function subscribePacket(id: number, filter: string, qos: number): Buffer {
  return packet(0x82, [Buffer.from([id >> 8, id & 0xff]), text(filter), Buffer.from([qos])]);
}

/** A PUBLISH of MQTT 3.1.1 §3.3. */
export function publishPacket({ topic, payload, packetId, isDuplicate, isRetained }: RawMqttPublish): Buffer {
  const head = 0x30 | (isRetained === true ? 1 : 0);
  if (packetId === undefined) return packet(head, [text(topic), payload]);
  const id = Buffer.from([packetId >> 8, packetId & 0xff]);
  return packet(head | 2 | (isDuplicate === true ? 8 : 0), [text(topic), id, payload]);
}

/** A PINGREQ of MQTT 3.1.1 §3.12. */
export const pingPacket: Uint8Array = Buffer.from([0xc0, 0]);

function packet(head: number, parts: readonly Uint8Array[]): Buffer {
  let rest = parts.reduce((sum, { length }) => sum + length, 0);
  const fixed = [head];
  // MQTT 3.1.1 §2.2.3: seven bits a byte, lowest first; the top bit says that more follow.
  do {
    fixed.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from(fixed), ...parts]);
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** Where the rest of the packet at this offset begins and ends; undefined while it is not complete. */
function boundsOf(bytes: Buffer, offset: number): { start: number; end: number } | undefined {
  let length = 0;
  for (let index = 0; index < 4; index += 1) {
    const byte = bytes[offset + 1 + index];
    if (byte === undefined) return undefined;
    length |= (byte & 0x7f) << (7 * index);
    if (byte >= 0x80) continue;
    const start = offset + 2 + index;
    return start + length <= bytes.length ? { start, end: start + length } : undefined;
  }
  throw new Error('The server sent a remaining length of more than four bytes.');
}

/** Opens a connection that reads into one buffer again and again, where Node can: a client must cost little. */
async function openSocket(target: RawMqttTarget, read: (chunk: Buffer) => void): Promise<Socket> {
  const { port = 0, host = '127.0.0.1', localAddress, socketPath, tls, recordBytes } = target;
  const from = localAddress === undefined ? {} : { localAddress };
  const where = socketPath === undefined ? { port, host, noDelay: true, ...from } : { path: socketPath };
  const buffer = Buffer.allocUnsafe(readBytes);
  const callback = (length: number): boolean => {
    read(buffer.subarray(0, length));
    return true;
  };
  const stream = connectStream({ ...where, ...(tls === undefined ? { onread: { buffer, callback } } : {}) });
  const socket = tls === undefined ? stream : connectTls({ ...tls, socket: stream }).on('data', read);
  stream.on('error', (error) => socket.destroy(error));
  // Node reports a refused connection below TLS twice; `once` takes only the first.
  socket.on('error', () => undefined);
  await once(socket, tls === undefined ? 'connect' : 'secureConnect');
  if (socket instanceof TLSSocket && recordBytes !== undefined) socket.setMaxSendFragment(recordBytes);
  return socket;
}
