import { ChunkedReader } from './chunked-reader.js';
import { FramingError } from './faults.js';
import type { Framing } from './framing.js';

/** Finds where a body ends in the bytes of a connection. The bytes are not copied. */
export class BodyReader {
  private readonly chunks: ChunkedReader | undefined;
  /** Bytes that are missing; infinite when the connection ends the body, and not used for chunks. */
  private left: number;

  constructor(private readonly framing: Framing) {
    this.chunks = framing === 'chunked' ? new ChunkedReader() : undefined;
    this.left = typeof framing === 'number' ? framing : Number.POSITIVE_INFINITY;
  }

  get isDone(): boolean {
    return this.chunks?.isDone ?? this.left === 0;
  }

  /** Bytes that are missing at most, if that is known. */
  get missingBytes(): number {
    return this.left;
  }

  /**
   * @param onPiece gets each piece of the body, as a view
   * @returns behind the last byte that belongs to the body
   * @throws FramingError
   */
  read(bytes: Buffer, start: number, onPiece: (piece: Buffer) => void): number {
    if (this.chunks !== undefined) return this.chunks.read(bytes, start, onPiece);
    const end = Math.min(bytes.length, start + this.left);
    this.left -= end - start;
    if (end > start) onPiece(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
    return end;
  }

  /**
   * The connection has ended.
   *
   * @throws FramingError inside a body that ends otherwise
   */
  end(): void {
    if (this.framing !== 'until-close') throw new FramingError('incomplete', 'the connection ended inside the body');
    this.left = 0;
  }
}
