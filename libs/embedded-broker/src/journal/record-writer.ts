import { batchHeaderBytes } from './batch-frame.js';

const usualBytes = 64 * 1024;
/** A buffer of this size is kept while batches need it. Growing a new one for each costs four times its size. */
const mostKeptBytes = 4 * 1024 * 1024;
const smallBatchesBeforeShrinking = 32;
const lengthBytes = 4;

/** Collects the records of one batch in one buffer. Each record has its length in front of it. */
export class RecordWriter {
  private bytes = Buffer.allocUnsafeSlow(usualBytes);
  private end = batchHeaderBytes;
  private recordStart = 0;
  private smallBatches = 0;

  get isEmpty(): boolean {
    return this.end === batchHeaderBytes;
  }

  /** Bytes of the batch so far. */
  get length(): number {
    return this.end;
  }

  /** The whole batch, header included. Valid until the next `reset`. */
  get batch(): Buffer {
    return this.bytes.subarray(0, this.end);
  }

  /** Empties the batch; gives the memory of unusually large ones back when there were none for a while. */
  reset(): void {
    this.smallBatches = 4 * this.end < this.bytes.length ? this.smallBatches + 1 : 0;
    const isLong = this.bytes.length > 16 * usualBytes;
    if (this.bytes.length > mostKeptBytes || (isLong && this.smallBatches > smallBatchesBeforeShrinking))
      this.bytes = Buffer.allocUnsafeSlow(usualBytes);
    this.end = batchHeaderBytes;
  }

  begin(type: number): void {
    this.room(lengthBytes + 1);
    this.recordStart = this.end;
    this.end += lengthBytes;
    this.bytes[this.end] = type;
    this.end += 1;
  }

  /** Returns the length of the record in bytes. */
  finish(): number {
    const length = this.end - this.recordStart;
    this.bytes.writeUInt32BE(length - lengthBytes, this.recordStart);
    return length;
  }

  byte(value: number): void {
    this.room(1);
    this.bytes[this.end] = value;
    this.end += 1;
  }

  uint16(value: number): void {
    this.room(2);
    this.bytes.writeUInt16BE(value, this.end);
    this.end += 2;
  }

  uint32(value: number): void {
    this.room(4);
    this.bytes.writeUInt32BE(value, this.end);
    this.end += 4;
  }

  /** Up to 2^48 - 1: a counter that never ends, or milliseconds since 1970. */
  uint48(value: number): void {
    this.room(6);
    this.bytes.writeUIntBE(value, this.end, 6);
    this.end += 6;
  }

  /** At most 65 535 bytes of UTF-8. */
  text(value: string): void {
    this.room(2 + 3 * value.length);
    const written = this.bytes.write(value, this.end + 2);
    this.bytes.writeUInt16BE(written, this.end);
    this.end += 2 + written;
  }

  binary(value: Uint8Array): void {
    this.room(4 + value.length);
    this.bytes.writeUInt32BE(value.length, this.end);
    this.bytes.set(value, this.end + 4);
    this.end += 4 + value.length;
  }

  private room(bytes: number): void {
    const needed = this.end + bytes;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
    this.bytes.copy(larger, 0, 0, this.end);
    this.bytes = larger;
  }
}
