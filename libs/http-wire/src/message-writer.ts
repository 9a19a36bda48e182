import type { Duplex } from 'node:stream';
import { freeMemory } from '@sallyport/http';
import type { Body } from './body.js';
import type { Framing } from './framing.js';

/** Head and pieces up to this size are joined in one write; larger ones are not copied. */
const mostJoinedBytes = 16_384;
/** A message of which this much has been sent is bulk: what comes in one turn of the event loop leaves in one write. */
const bulkBytes = 65_536;
/** Bulk waits for the end of its turn up to this size. */
const mostWaitingBytes = 262_144;
/** Pieces of this size are worth a write of their own: TLS would copy several into one. */
const largePieceBytes = 32_768;
/** Smaller pieces cost V8 little. Those of our own, which end each chunk, are among them. */
const smallestFreed = 4_096;
/** A peer keeps up until this much waits for it. Less would stop and start the reading of large bodies at every piece. */
const mostUnsentBytes = 262_144;
const lastChunk = Buffer.from('0\r\n\r\n');
const closesChunk = Buffer.from('\r\n');

/** Writes messages to a connection, one at a time. What comes together leaves in one write. */
export class MessageWriter {
  private head = '';
  private pieces: Buffer[] = [];
  private pieceBytes = 0;
  private framing: Framing = 0;
  private left = 0;
  private sentBytes = 0;
  private hasLargePiece = false;
  private isScheduled = false;
  private freesPieces = false;
  private readonly flushWaiting = (): void => {
    this.isScheduled = false;
    if (this.pieces.length > 0 && !this.socket.destroyed) this.send();
  };

  constructor(private readonly socket: Duplex) {}

  /**
   * Begins a message. Nothing is written before `flush` or `end`.
   *
   * @param head     in latin1, with its empty line
   * @param framing  that the head declares
   * @param body     that follows. The memory of large pieces is freed when they are written, unless they may flow again.
   */
  begin(head: string, framing: Framing, { isReplayable }: Pick<Body, 'isReplayable'>): void {
    this.head = head;
    this.freesPieces = !isReplayable;
    this.framing = framing;
    this.left = typeof framing === 'number' ? framing : 0;
    this.sentBytes = 0;
  }

  /** @throws RangeError more bytes than the head declared */
  write(piece: Buffer): void {
    if (this.framing === 'chunked') this.add(Buffer.from(`${piece.length.toString(16)}\r\n`, 'latin1'));
    else if (this.framing !== 'until-close') this.count(piece.length);
    this.add(piece);
    this.hasLargePiece ||= piece.length >= largePieceBytes;
    if (this.framing === 'chunked') this.add(closesChunk);
  }

  /** @returns false when the peer does not keep up: wait for `drain` of the socket */
  flush(): boolean {
    // TLS gives 16 KiB at a time, and a system call for each of them costs more than passing them on.
    if (this.sentBytes < bulkBytes || this.hasLargePiece || this.pieceBytes >= mostWaitingBytes) return this.send();
    if (!this.isScheduled) setImmediate(this.flushWaiting);
    this.isScheduled = true;
    return this.keepsUp;
  }

  private get keepsUp(): boolean {
    return !this.socket.writableNeedDrain || this.socket.writableLength < mostUnsentBytes;
  }

  private send(): boolean {
    const { head, pieces, pieceBytes } = this;
    this.head = '';
    if (pieces.length === 0) {
      if (head !== '') this.socket.write(head, 'latin1');
      return this.keepsUp;
    }
    this.pieces = [];
    this.pieceBytes = 0;
    this.sentBytes += pieceBytes;
    this.hasLargePiece = false;
    if (head.length + pieceBytes <= mostJoinedBytes) this.socket.write(joined(head, pieces, pieceBytes));
    else this.writeApart(head, pieces);
    return this.keepsUp;
  }

  /** @throws RangeError fewer bytes than the head declared */
  end(): boolean {
    if (this.left > 0) throw new RangeError(`${this.left} bytes of the declared body are missing`);
    if (this.framing === 'chunked') this.add(lastChunk);
    return this.send();
  }

  private writeApart(head: string, pieces: readonly Buffer[]): void {
    const last = pieces.at(-1);
    this.socket.cork();
    if (head !== '') this.socket.write(head, 'latin1');
    for (const piece of pieces)
      this.socket.write(piece, this.freesPieces && piece === last ? freeing(pieces) : undefined);
    this.socket.uncork();
  }

  private add(piece: Buffer): void {
    this.pieces.push(piece);
    this.pieceBytes += piece.length;
  }

  private count(bytes: number): void {
    if (bytes > this.left) throw new RangeError('the body is longer than declared');
    this.left -= bytes;
  }
}

/** For when they are written. V8 frees such memory late, and each time it marks the whole heap of the service first. */
function freeing(pieces: readonly Buffer[]): (error?: Error | null) => void {
  return (error) => {
    // After an error, the kernel may still have to read the bytes.
    if (!error) for (const piece of pieces) if (piece.length >= smallestFreed) freeMemory(piece);
  };
}

function joined(head: string, pieces: readonly Buffer[], pieceBytes: number): Buffer {
  const [first] = pieces;
  if (head === '' && pieces.length === 1 && first !== undefined) return first;
  const bytes = Buffer.allocUnsafe(head.length + pieceBytes);
  let at = bytes.write(head, 0, 'latin1');
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

// What a name or a value may not hold: it would end its line, or be cut to one byte (RFC 9110 §5.5).
const unsafeText = /[^\t\x20-\x7e\x80-\xff]/;

/**
 * Field lines with their line ends.
 *
 * @param raw names and values by turns
 * @throws TypeError a name or a value that could end its line
 */
export function fieldLines(raw: readonly string[]): string {
  let lines = '';
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    if (unsafeText.test(value) || unsafeText.test(name))
      throw new TypeError('A header field holds a control character.');
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}
