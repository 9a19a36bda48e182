import type { Duplex } from 'node:stream';
import type { ProtocolVersion } from '@sallyport/mqtt-wire';
import type { Connection } from '@sallyport/tls';
import { shuttingDown } from './connect-answer.js';
import { PacketBoundary } from './packet-boundary.js';
import { type FirstBytes, type Gate, Relay } from './relay.js';

export interface DoorSessionOptions {
  readonly connection: Connection;
  readonly broker: Duplex;
  readonly version: ProtocolVersion;
  /** What the broker sends waits here. Absent: it is passed on at once. */
  readonly gate?: Gate;
  readonly onClosed: () => void;
}

/** One session of a client with the broker, from CONNACK to its end. */
export class DoorSession {
  private readonly connection: Connection;
  private readonly relay: Relay;
  /** Only a client of MQTT 5 can be told why the connection ends, and only between two packets. */
  private readonly boundary: PacketBoundary | undefined;
  private isLeaving = false;

  constructor({ connection, broker, version, gate, onClosed }: DoorSessionOptions) {
    this.connection = connection;
    this.boundary = version === 5 ? new PacketBoundary() : undefined;
    this.relay = new Relay({
      client: { stream: connection.socket, end: () => connection.close() },
      broker: { stream: broker, end: () => broker.end() },
      onClosed,
      ...(gate === undefined ? {} : { gate }),
      ...(version === 5 ? { onPassed: (chunk: Buffer) => this.follow(chunk) } : {}),
    });
    connection.draining.addEventListener('abort', () => this.leave(), { once: true });
  }

  /**
   * Begins to pass bytes, unless the connection has to end already.
   *
   * @param first what came early on either side
   */
  start(first: FirstBytes): void {
    this.relay.start(first);
    if (this.connection.draining.aborted) this.leave();
  }

  private follow(chunk: Buffer): void {
    this.boundary?.pass(chunk);
    if (this.isLeaving) this.leave();
  }

  /**
   * The listener closes, or its level has changed. The client comes back by itself. The listener cuts the connection
   * when the broker never finishes the packet that is under way.
   */
  private leave(): void {
    this.isLeaving = true;
    const { boundary, connection } = this;
    if (boundary?.isBetweenPackets === false) return;
    this.relay.stopToClient();
    if (boundary !== undefined && connection.socket.writable) connection.socket.write(shuttingDown);
    connection.close();
  }
}
