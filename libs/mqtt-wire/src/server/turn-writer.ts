import type { Frame } from './frame.js';
import type { PacketConnection } from './packet-connection.js';

interface Written {
  readonly frames: readonly Frame[];
  readonly packetIds: readonly number[];
  readonly pieces: readonly Buffer[];
}

/** From this size on, a piece of its own costs less than a copy. What is copied has to be collected. */
const leastLentBytes = 4_096;

/** Writes what all connections have gathered in one turn of the event loop: one write for each connection. */
export class TurnWriter {
  private connections: PacketConnection[] = [];
  private last: Written | undefined;

  /** Writes for a connection at the end of this turn. */
  add(connection: PacketConnection): void {
    if (this.connections.length === 0) setImmediate(() => this.flush());
    this.connections.push(connection);
  }

  private flush(): void {
    const { connections } = this;
    this.connections = [];
    for (const connection of connections) this.writeTo(connection);
    this.last = undefined;
  }

  private writeTo(connection: PacketConnection): void {
    const { frames, packetIds } = connection.takeGathered();
    if (frames.length === 0) return;
    // Subscribers of one topic often get the same bytes, and then share one buffer.
    const same = this.last !== undefined && isSame(this.last, frames, packetIds) ? this.last : undefined;
    const pieces = same?.pieces ?? piecesOf(frames, packetIds);
    this.last = { frames, packetIds, pieces };
    connection.write(pieces);
  }
}

/** Small packets together, each large one as it is. */
function piecesOf(frames: readonly Frame[], packetIds: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let [first, bytes] = [0, 0];
  for (let index = 0; index < frames.length; index += 1) {
    const frame = frames[index];
    const byteLength = frame?.byteLength ?? 0;
    const lent = byteLength < leastLentBytes ? undefined : frame?.lend?.(packetIds[index] ?? 0);
    if (lent === undefined) {
      bytes += byteLength;
      continue;
    }
    if (bytes > 0) pieces.push(joined(frames.slice(first, index), packetIds.slice(first, index), bytes));
    pieces.push(lent);
    [first, bytes] = [index + 1, 0];
  }
  if (first === 0) return [joined(frames, packetIds, bytes)];
  if (bytes > 0) pieces.push(joined(frames.slice(first), packetIds.slice(first), bytes));
  return pieces;
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
