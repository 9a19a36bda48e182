const smallBytes = 64 * 1024;

/** How large the buffers of one direction are, and how many. */
export interface BufferSizes {
  readonly largeBytes: number;
  /** So transfers never hold more than this in large buffers, however many transfers there are. */
  readonly mostLarge: number;
  readonly mostIdle: number;
}

/** One read of this size keeps disk and network busy; more only costs memory. */
export const downloadBuffers: BufferSizes = { largeBytes: 1024 * 1024, mostLarge: 32, mostIdle: 8 };

/** Smaller, and more of them: what comes in need not wait then while one is written. */
export const uploadBuffers: BufferSizes = { largeBytes: 256 * 1024, mostLarge: 128, mostIdle: 32 };

/**
 * Lends the buffers that bytes pass through between disk and network: large ones first, small ones when many are out.
 * Used again and again, they cost the garbage collector nothing.
 */
export class TransferBuffers {
  private readonly idle: Buffer[] = [];
  private largeOut = 0;

  constructor(private readonly sizes: BufferSizes) {}

  /** True while so few are out that one transfer may hold several. */
  get isPlenty(): boolean {
    return this.largeOut * 2 < this.sizes.mostLarge;
  }

  take(): Buffer {
    if (this.largeOut >= this.sizes.mostLarge) return Buffer.allocUnsafeSlow(smallBytes);
    this.largeOut += 1;
    return this.idle.pop() ?? Buffer.allocUnsafeSlow(this.sizes.largeBytes);
  }

  /** Takes a buffer back that nothing reads from or writes to any more. */
  giveBack(buffer: Buffer): void {
    if (buffer.length !== this.sizes.largeBytes) return;
    this.largeOut -= 1;
    if (this.idle.length < this.sizes.mostIdle) this.idle.push(buffer);
  }

  /** Forgets a buffer that may still be in use. */
  abandon(buffer: Buffer): void {
    if (buffer.length === this.sizes.largeBytes) this.largeOut -= 1;
  }
}
