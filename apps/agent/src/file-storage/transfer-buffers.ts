/** How large the buffers of one direction are, and how many. */
export interface BufferSizes {
  readonly largeBytes: number;
  /** So transfers never hold more than this in large buffers, however many transfers there are. */
  readonly mostLarge: number;
  /** Of them, what one peer may hold, so that it cannot take them from the others. */
  readonly mostLargeEach: number;
  readonly smallBytes: number;
  readonly mostIdle: number;
}

/** One read of this size keeps disk and network busy; more only costs memory. A small one is a TLS record. */
export const downloadBuffers: BufferSizes = {
  largeBytes: 1024 * 1024,
  mostLarge: 32,
  mostLargeEach: 8,
  smallBytes: 16 * 1024,
  mostIdle: 8,
};

/** Smaller, and more of them: what comes in need not wait then while one is written. */
export const uploadBuffers: BufferSizes = {
  largeBytes: 256 * 1024,
  mostLarge: 128,
  mostLargeEach: 64,
  smallBytes: 64 * 1024,
  mostIdle: 32,
};

/** The buffers of one peer. */
export interface BufferShare {
  /** True while so few are out that one transfer may hold several. */
  readonly isPlenty: boolean;
  take(): Buffer;
  /** Takes a buffer back that nothing reads from or writes to any more. */
  giveBack(buffer: Buffer): void;
  /** Forgets a buffer that may still be in use. */
  abandon(buffer: Buffer): void;
}

/**
 * Lends the buffers that bytes pass through between disk and network: large ones first, small ones when many are out,
 * to all or to this peer. Used again and again, they cost the garbage collector nothing.
 */
export class TransferBuffers {
  private readonly idle: Buffer[] = [];
  private largeOut = 0;
  /** Large buffers out, by peer. */
  private readonly lent = new Map<string, number>();

  constructor(private readonly sizes: BufferSizes) {}

  /** @param peer  who a transfer is for */
  shareOf(peer: string): BufferShare {
    const isPlenty = () => this.isPlentyFor(peer);
    return {
      get isPlenty() {
        return isPlenty();
      },
      take: () => this.take(peer),
      giveBack: (buffer) => this.giveBack(peer, buffer),
      abandon: (buffer) => this.abandon(peer, buffer),
    };
  }

  private isPlentyFor(peer: string): boolean {
    const { mostLarge, mostLargeEach } = this.sizes;
    return this.largeOut * 2 < mostLarge && this.lentTo(peer) * 2 < mostLargeEach;
  }

  private take(peer: string): Buffer {
    const { mostLarge, mostLargeEach, largeBytes, smallBytes } = this.sizes;
    if (this.largeOut >= mostLarge || this.lentTo(peer) >= mostLargeEach) return Buffer.allocUnsafeSlow(smallBytes);
    this.largeOut += 1;
    this.lent.set(peer, this.lentTo(peer) + 1);
    return this.idle.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
  }

  private giveBack(peer: string, buffer: Buffer): void {
    if (buffer.length !== this.sizes.largeBytes) return;
    this.abandon(peer, buffer);
    if (this.idle.length < this.sizes.mostIdle) this.idle.push(buffer);
  }

  private abandon(peer: string, buffer: Buffer): void {
    if (buffer.length !== this.sizes.largeBytes) return;
    this.largeOut -= 1;
    const left = this.lentTo(peer) - 1;
    if (left > 0) this.lent.set(peer, left);
    else this.lent.delete(peer);
  }

  private lentTo(peer: string): number {
    return this.lent.get(peer) ?? 0;
  }
}
