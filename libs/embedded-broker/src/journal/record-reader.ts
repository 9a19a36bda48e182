/** Reads the fields of the records of one batch in their order. */
export class RecordReader {
  private at = 0;
  private recordStart = 0;
  private recordEnd = 0;

  /** @param records of a batch whose checksum is right */
  constructor(private readonly records: Buffer) {}

  /** Goes to the next record; undefined behind the last one, else its type. What was left of the one before is skipped. */
  next(): number | undefined {
    this.at = this.recordEnd;
    this.recordStart = this.at;
    if (this.at === this.records.length) return undefined;
    const length = this.records.readUInt32BE(this.at);
    this.at += 4;
    this.recordEnd = this.at + length;
    return this.byte();
  }

  /** Bytes of the record, as `RecordWriter.finish` counts them. */
  get recordBytes(): number {
    return this.recordEnd - this.recordStart;
  }

  /** Whether the record has further fields. */
  get hasMore(): boolean {
    return this.at < this.recordEnd;
  }

  byte(): number {
    this.at += 1;
    return this.records.readUInt8(this.at - 1);
  }

  uint16(): number {
    this.at += 2;
    return this.records.readUInt16BE(this.at - 2);
  }

  uint32(): number {
    this.at += 4;
    return this.records.readUInt32BE(this.at - 4);
  }

  uint48(): number {
    this.at += 6;
    return this.records.readUIntBE(this.at - 6, 6);
  }

  text(): string {
    const length = this.uint16();
    this.at += length;
    return this.records.toString('utf8', this.at - length, this.at);
  }

  /** A copy: the segment it was read from can be forgotten. */
  binary(): Buffer {
    const length = this.uint32();
    this.at += length;
    return Buffer.from(this.records.subarray(this.at - length, this.at));
  }
}
