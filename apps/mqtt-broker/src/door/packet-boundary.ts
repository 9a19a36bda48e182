/** Follows where packets begin and end in a stream of MQTT, and looks at nothing else. */
export class PacketBoundary {
  /** Of the packet that has begun; undefined while its length is not complete. */
  private bytesLeft: number | undefined = 0;
  private headerBytes = 0;
  private length = 0;

  /** Whether the next byte begins a packet. */
  get isBetweenPackets(): boolean {
    return this.bytesLeft === 0;
  }

  /** @see MQTT 5.0 §2.1: one byte for type and flags, then one to four bytes for the length of the rest */
  pass(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.bytesLeft === undefined) this.passHeader(chunk[at++] ?? 0);
      else if (this.bytesLeft === 0) {
        [this.bytesLeft, this.headerBytes, this.length] = [undefined, 0, 0];
        at += 1;
      } else {
        const passed = Math.min(this.bytesLeft, chunk.length - at);
        this.bytesLeft -= passed;
        at += passed;
      }
    }
  }

  private passHeader(byte: number): void {
    this.length += (byte & 0x7f) * 128 ** this.headerBytes;
    this.headerBytes += 1;
    if (byte < 0x80) this.bytesLeft = this.length;
  }
}
