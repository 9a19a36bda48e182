import type { Writable } from 'node:stream';

const pageBytes = 65_536;
const largestInPage = pageBytes / 4;
const patienceMs = 1;

/**
 * Gathers the packets for one connection, and writes what was gathered in a turn of the event loop with one call.
 *
 * The bytes of a page are written once and never changed afterwards, so a message in flight can be read from its page
 * until it is acknowledged.
 */
export class TurnOutput {
  /** The packet for which `reserve` made room is in here. */
  page: Buffer = Buffer.alloc(0);
  /** Where the unwritten part of the page starts, and where it ends. */
  private start = 0;
  private end = 0;
  /**
   * Whether the packets may wait a millisecond for others. A write costs more than a message, and so does the wake-up
   * of the broker that reads it.
   */
  isPatient: () => boolean = () => false;
  private pieces: Buffer[] = [];
  private pieceBytes = 0;
  private gatheredBytes = 0;
  private isArmed = false;

  constructor(private readonly stream: Writable) {}

  /** Bytes that the system has not taken yet. */
  get unsentBytes(): number {
    return this.stream.writableLength + this.pieceBytes + this.end - this.start;
  }

  /** Bytes that the system has taken so far. */
  get sentBytes(): number {
    return this.gatheredBytes - this.unsentBytes;
  }

  /**
   * Makes room for a packet. It is written at the end of this turn, so its bytes must be there by then.
   *
   * @returns where it starts in `page`
   */
  reserve(bytes: number): number {
    if (this.end + bytes > this.page.length) this.turnPage(bytes);
    const at = this.end;
    this.end = at + bytes;
    this.gatheredBytes += bytes;
    if (!this.isArmed) this.arm();
    return at;
  }

  /** Sends bytes behind the last packet from where they are. They must not change any more. */
  append(bytes: Buffer): void {
    this.endPiece();
    this.pieces.push(bytes);
    this.pieceBytes += bytes.length;
    this.gatheredBytes += bytes.length;
  }

  add(packet: Buffer): void {
    const at = this.reserve(packet.length);
    packet.copy(this.page, at);
  }

  /** Writes now what was gathered. */
  flush(): void {
    this.isArmed = false;
    if (this.stream.destroyed || this.stream.writableEnded) return;
    const last = this.page.subarray(this.start, this.end);
    this.start = this.end;
    if (this.pieces.length === 0) {
      if (last.length > 0) this.stream.write(last);
      return;
    }
    this.stream.cork();
    for (const piece of this.pieces) this.stream.write(piece);
    if (last.length > 0) this.stream.write(last);
    this.stream.uncork();
    this.pieces = [];
    this.pieceBytes = 0;
  }

  private arm(): void {
    this.isArmed = true;
    const flush = (): void => {
      if (this.isArmed) this.flush();
    };
    if (this.isPatient()) setTimeout(flush, patienceMs);
    else setImmediate(flush);
  }

  private endPiece(): void {
    if (this.end === this.start) return;
    this.pieces.push(this.page.subarray(this.start, this.end));
    this.pieceBytes += this.end - this.start;
    this.start = this.end;
  }

  private turnPage(bytes: number): void {
    this.endPiece();
    // A large packet has a page of its own: what is left of a page would be lost too often.
    this.page = Buffer.allocUnsafeSlow(bytes > largestInPage ? bytes : pageBytes);
    this.start = 0;
    this.end = 0;
  }
}
