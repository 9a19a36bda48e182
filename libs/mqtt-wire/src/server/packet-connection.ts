import type { Duplex } from 'node:stream';
import { PacketError } from '../packet-error.js';
import { PacketReader } from '../packet-reader.js';
import type { MqttPacket } from '../packets.js';
import type { Frame } from './frame.js';
import type { TurnBudget } from './turn-budget.js';
import type { TurnWriter } from './turn-writer.js';

/** Takes what comes over a connection. */
export interface PacketConnectionUser {
  /** Returns how much work it was, in small packets. */
  packet(packet: MqttPacket): number;
  /** The client reads again. */
  writable(): void;
  /** Bytes that are no MQTT, or a packet that must not come; the user ends the connection. */
  faulty(error: PacketError): void;
  /** Called once, whoever ended the connection. */
  closed(): void;
}

/** What one connection may cost. */
export interface PacketConnectionLimits {
  /** Size of one MQTT packet, in bytes; a larger one ends the connection. A getter may say less until the peer is known. */
  readonly packetBytes: number;
  /** The same for CONNECT, which comes from a client that nothing is known of. */
  readonly connectPacketBytes: number;
  /** Topics that a client of MQTT 5 may give a number. */
  readonly topicAliases: number;
  /** Bytes that are handed to a connection before the rest waits. */
  readonly outputBytes: number;
  /** Time from the connection to its CONNECT packet, in milliseconds. */
  readonly connectMs: number;
  /** How long a client may leave a full buffer unread before it is cut, in milliseconds. */
  readonly drainMs: number;
}

/** What a connection has waited for in vain: CONNECT, any byte of the client, that it reads, that it closes its side. */
export type Overdue = 'connect' | 'silent' | 'not-reading' | 'not-closing';

export interface PacketConnectionOptions {
  readonly stream: Duplex;
  readonly limits: PacketConnectionLimits;
  readonly writer: TurnWriter;
  readonly user: PacketConnectionUser;
  /** What the owner of the connection may take of a turn; absent for services, which are ours. */
  readonly budget?: TurnBudget;
}

/** Looking at the clock costs as much as a small packet. One publication may have thousands of receivers. */
const workBetweenLooks = 32;

/** The longest a client may be silent: one and a half times its keep-alive [MQTT-3.1.2-24]. */
const keepAliveFactor = 1_500;

/** How long a client may take to close its side after our last word, in milliseconds. */
const lingerMs = 2_000;

/**
 * The byte stream of one client: packets in, frames out. Frames of one turn of the event loop leave as one write, since
 * most of the time of a broker goes into system calls.
 */
export class PacketConnection {
  private readonly openedAt = performance.now();
  /** When the last bytes came, in milliseconds of `performance.now`. */
  private receivedAt = performance.now();
  /** Since when the client has read nothing of what waits for it; undefined when nothing waits. */
  private blockedSince: number | undefined;
  private writtenBytes = 0;
  private readBytes = 0;
  private readonly reader: PacketReader;
  private frames: Frame[] = [];
  private packetIds: number[] = [];
  private gatheredBytes = 0;
  private holds = 0;
  private isReading = false;
  /** Since when the connection waits for the client to close it; undefined while it is open. */
  private endingSince: number | undefined;
  private isClosed = false;

  constructor(private readonly options: PacketConnectionOptions) {
    const { stream, limits } = options;
    this.reader = new PacketReader({
      sender: 'client',
      get largestBytes() {
        return limits.packetBytes;
      },
      largestConnectBytes: limits.connectPacketBytes,
      topicAliasMaximum: limits.topicAliases,
    });
    stream.on('data', (chunk: Buffer) => this.receive(chunk));
    stream.on('drain', () => this.drained());
    stream.on('end', () => this.destroy());
    // 'close' follows.
    stream.on('error', () => undefined);
    stream.on('close', () => this.close());
    // Whoever read from the stream before, such as for its CONNECT, may have paused it.
    stream.resume();
  }

  /** False while so much is unsent that more has to wait. */
  get isWritable(): boolean {
    const { stream, limits } = this.options;
    return this.gatheredBytes + stream.writableLength < limits.outputBytes;
  }

  get isOpen(): boolean {
    return !this.isClosed && this.endingSince === undefined;
  }

  /** Sends a frame at the end of this turn. */
  send(frame: Frame, packetId: number): void {
    if (!this.isOpen) return;
    if (this.frames.length === 0) this.options.writer.add(this);
    this.frames.push(frame);
    this.packetIds.push(packetId);
    this.gatheredBytes += frame.byteLength;
  }

  /** Takes what was gathered; called at the end of a turn. */
  takeGathered(): { frames: readonly Frame[]; packetIds: readonly number[] } {
    const gathered = { frames: this.frames, packetIds: this.packetIds };
    [this.frames, this.packetIds, this.gatheredBytes] = [[], [], 0];
    return gathered;
  }

  /** Writes a frame in this turn: the broker stops, and there may be no other. */
  writeNow(frame: Frame): void {
    const bytes = Buffer.allocUnsafe(frame.byteLength);
    frame.copyTo(bytes, 0, 0);
    if (this.isOpen) this.options.stream.write(bytes);
  }

  write(pieces: readonly Buffer[]): void {
    const { stream } = this.options;
    if (this.isClosed || stream.destroyed) return;
    if (pieces.length > 1) stream.cork();
    for (const piece of pieces) {
      this.writtenBytes += piece.length;
      if (!stream.write(piece)) this.blockedSince ??= performance.now();
    }
    if (pieces.length > 1) stream.uncork();
    if (this.endingSince !== undefined) stream.end();
  }

  /**
   * Says what the connection has waited for too long. Call it several times a second.
   *
   * @param keepAliveSeconds of the client's CONNECT, 0 for none; undefined while no CONNECT has come
   */
  overdue(now: number, keepAliveSeconds: number | undefined): Overdue | undefined {
    this.noteProgress(now);
    const { blockedSince, receivedAt, endingSince, openedAt } = this;
    const { connectMs, drainMs } = this.options.limits;
    if (endingSince !== undefined) return now - endingSince > lingerMs ? 'not-closing' : undefined;
    if (keepAliveSeconds === undefined && now - openedAt > connectMs) return 'connect';
    if (blockedSince !== undefined && now - blockedSince > drainMs) return 'not-reading';
    const silentMs = (keepAliveSeconds ?? 0) * keepAliveFactor;
    return silentMs > 0 && now - receivedAt > silentMs ? 'silent' : undefined;
  }

  /** A client that reads, but slower than there is more for it, is not blocked. */
  private noteProgress(now: number): void {
    const readBytes = this.writtenBytes - this.options.stream.writableLength;
    if (this.blockedSince !== undefined && readBytes > this.readBytes) this.blockedSince = now;
    this.readBytes = readBytes;
  }

  /** Stops reading packets until `resume` was called as often. */
  hold(): void {
    this.holds += 1;
    if (this.holds === 1) this.options.stream.pause();
  }

  resume(): void {
    this.holds -= 1;
    if (this.holds > 0 || !this.isOpen) return;
    this.readPackets();
    if (this.holds === 0) this.options.stream.resume();
  }

  /** Sends what was gathered, then ends. What the client still sends is not read as MQTT. */
  end(): void {
    if (!this.isOpen) return;
    this.endingSince = performance.now();
    if (this.frames.length === 0) this.options.stream.end();
    // Keep reading and ignore it. Closing with unread bytes sends a reset, which may overtake the last packet.
    this.options.stream.resume();
  }

  destroy(): void {
    this.options.stream.destroy();
    this.close();
  }

  private receive(chunk: Buffer): void {
    if (!this.isOpen) return;
    this.receivedAt = performance.now();
    this.reader.push(chunk);
    if (this.holds === 0) this.readPackets();
  }

  private readPackets(): void {
    // A packet may hold the connection, and releasing it may come back here.
    if (this.isReading) return;
    this.isReading = true;
    try {
      // Looks first: a hundred connections of one owner would read a few packets each, when it has nothing left.
      while (this.holds === 0 && this.isOpen && this.hasTurn() && this.readSome());
    } catch (error) {
      if (!(error instanceof PacketError)) throw error;
      this.options.user.faulty(error);
    } finally {
      this.isReading = false;
    }
  }

  /** Reads a few packets. False when no more have come. */
  private readSome(): boolean {
    const { budget, user } = this.options;
    const startedAt = performance.now();
    try {
      for (let work = 0; work < workBetweenLooks; ) {
        const packet = this.reader.next();
        if (packet === undefined) return false;
        work += user.packet(packet);
        if (this.holds > 0 || !this.isOpen || budget?.isSpent === true) break;
      }
      return true;
    } finally {
      budget?.spend(performance.now() - startedAt);
    }
  }

  /** When the owner has used its part of this turn, the next packets wait for another one. */
  private hasTurn(): boolean {
    const { budget } = this.options;
    if (budget?.isSpent !== true) return true;
    this.hold();
    budget.wait(() => this.resume());
    return false;
  }

  private drained(): void {
    this.blockedSince = undefined;
    this.options.user.writable();
  }

  private close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.takeGathered();
    this.options.user.closed();
  }
}
