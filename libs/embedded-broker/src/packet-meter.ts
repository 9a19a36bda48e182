/**
 * Measures the MQTT packets of a byte stream by their fixed headers, before they are buffered.
 *
 * @see MQTT 3.1.1 §2.2.3: the remaining length is at most four bytes of seven bits.
 */
export class PacketMeter {
  private bodyLeft = 0;
  private isInHeader = false;
  private length = 0;
  private shift = 0;

  constructor(private readonly largestBytes: number) {}

  /** True when no packet is incomplete. */
  get isBetweenPackets(): boolean {
    return this.bodyLeft === 0 && !this.isInHeader;
  }

  /** Takes the next bytes; false when a packet begins that is too large, or whose length is malformed. */
  accept(bytes: Uint8Array): boolean {
    for (let offset = 0; offset < bytes.length; ) {
      if (this.bodyLeft > 0) {
        const skipped = Math.min(this.bodyLeft, bytes.length - offset);
        this.bodyLeft -= skipped;
        offset += skipped;
        continue;
      }
      if (!this.acceptHeaderByte(bytes[offset] ?? 0)) return false;
      offset += 1;
    }
    return true;
  }

  private acceptHeaderByte(byte: number): boolean {
    if (!this.isInHeader) {
      [this.isInHeader, this.length, this.shift] = [true, 0, 0];
      return true;
    }
    this.length += (byte & 0x7f) * 2 ** this.shift;
    this.shift += 7;
    if (this.length > this.largestBytes || (byte >= 0x80 && this.shift >= 28)) return false;
    if (byte < 0x80) [this.isInHeader, this.bodyLeft] = [false, this.length];
    return true;
  }
}
