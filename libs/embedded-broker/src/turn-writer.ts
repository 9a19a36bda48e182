import type { Connection } from './connection.js';
import type { Frame } from './frame.js';

interface Written {
  readonly frames: readonly Frame[];
  readonly packetIds: readonly number[];
  readonly bytes: Buffer;
}

/** Writes what all connections have gathered in one turn of the event loop: one write for each connection. */
export class TurnWriter {
  private connections: Connection[] = [];
  private last: Written | undefined;

  /** Writes for a connection at the end of this turn. */
  add(connection: Connection): void {
    if (this.connections.length === 0) setImmediate(() => this.flush());
    this.connections.push(connection);
  }

  private flush(): void {
    const { connections } = this;
    this.connections = [];
    for (const connection of connections) this.writeTo(connection);
    this.last = undefined;
  }

  private writeTo(connection: Connection): void {
    const { frames, packetIds, bytes: length } = connection.takeGathered();
    if (frames.length === 0) return;
    // Subscribers of one topic often get the same bytes, and then share one buffer.
    const same = this.last !== undefined && isSame(this.last, frames, packetIds) ? this.last : undefined;
    const bytes = same?.bytes ?? joined(frames, packetIds, length);
    this.last = { frames, packetIds, bytes };
    connection.write(bytes);
  }
}

function joined(frames: readonly Frame[], packetIds: readonly number[], length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  let at = 0;
  for (let index = 0; index < frames.length; index += 1) {
    const frame = frames[index];
    if (frame !== undefined) at = frame.copyTo(bytes, at, packetIds[index] ?? 0);
  }
  return bytes;
}

function isSame(last: Written, frames: readonly Frame[], packetIds: readonly number[]): boolean {
  if (last.frames.length !== frames.length) return false;
  for (let index = 0; index < frames.length; index += 1)
    if (last.frames[index] !== frames[index] || last.packetIds[index] !== packetIds[index]) return false;
  return true;
}
