import { baseMaxMessageBytes, type Signal } from '../signals.js';

// A header with the longest length and token, and the options that no request of ours exceeds.
const envelopeBytes = 128;
const bertUnitBytes = 1_024;

/** What the peer takes, as its CSM says (RFC 8323 §5.3). The last one wins. */
export class PeerCapabilities {
  private statedBytes: number | undefined;
  private takesBlocks = false;

  note({ maxMessageBytes, isBlockWise }: Extract<Signal, { kind: 'csm' }>): void {
    this.statedBytes = maxMessageBytes ?? this.statedBytes;
    this.takesBlocks ||= isBlockWise;
  }

  /** The peer takes bodies in blocks (RFC 7959). */
  get isBlockWise(): boolean {
    return this.takesBlocks;
  }

  /** The largest message that it takes, in bytes. */
  get maxMessageBytes(): number {
    return this.statedBytes ?? baseMaxMessageBytes;
  }

  /** RFC 8323 §6: blocks of several units of 1,024 bytes, for a peer that takes blocks and messages of more than 1,152 bytes. */
  get takesBert(): boolean {
    return this.takesBlocks && this.maxMessageBytes > baseMaxMessageBytes;
  }

  /**
   * A message of this size is sent whole.
   *
   * Devices of plgd state no size, take no blocks, and read messages of any size. For them, whole is the only way.
   */
  takesWhole(bytes: number): boolean {
    return bytes <= this.maxMessageBytes || (this.statedBytes === undefined && !this.takesBlocks);
  }

  /** Size exponent of our blocks: the largest that the peer takes. */
  get blockExponent(): number {
    if (this.takesBert) return 7;
    const bytes = Math.max(16, Math.min(bertUnitBytes, this.maxMessageBytes - envelopeBytes));
    return Math.floor(Math.log2(bytes)) - 4;
  }

  /** Bytes of a body in one message with blocks of this exponent. */
  blockBytes(exponent: number): number {
    if (exponent < 7) return 16 << exponent;
    const units = Math.floor((this.maxMessageBytes - envelopeBytes) / bertUnitBytes);
    return Math.max(1, units) * bertUnitBytes;
  }
}
