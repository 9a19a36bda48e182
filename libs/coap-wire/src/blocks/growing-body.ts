const firstBytes = 1_024;
const empty = Buffer.alloc(0);

/** A body that comes in pieces, in one buffer that doubles: many small pieces cost no more than their bytes. */
export class GrowingBody {
  private buffer: Buffer = empty;
  private length = 0;

  /** Bytes that have come. */
  get bytes(): number {
    return this.length;
  }

  /** Bytes that it takes in memory. */
  get capacity(): number {
    return this.buffer.length;
  }

  /** What `capacity` will be when so many more bytes have come. */
  capacityFor(bytes: number): number {
    const needed = this.length + bytes;
    return needed <= this.buffer.length ? this.buffer.length : Math.max(firstBytes, needed, 2 * this.buffer.length);
  }

  append(piece: Buffer): void {
    const capacity = this.capacityFor(piece.length);
    if (capacity > this.buffer.length) {
      const larger = Buffer.allocUnsafeSlow(capacity);
      larger.set(this.buffer.subarray(0, this.length));
      this.buffer = larger;
    }
    this.buffer.set(piece, this.length);
    this.length += piece.length;
  }

  /** All that has come, as a view. */
  get whole(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  /** A copy of all that has come, with the last piece. */
  wholeWith(last: Buffer): Buffer {
    return Buffer.concat([this.whole, last]);
  }
}
