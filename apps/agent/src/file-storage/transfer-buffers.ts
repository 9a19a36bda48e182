import { freeMemory } from '@sallyport/http';

/** Size and number of the buffers of one direction. */
export interface BufferSizes {
  readonly largeBytes: number;
  /** Maximum number of large buffers in use, for any number of transfers. */
  readonly mostLarge: number;
  /** Maximum number of large buffers of one peer, so that it cannot take all of them from the others. */
  readonly mostLargeEach: number;
  readonly smallBytes: number;
  readonly mostIdle: number;
}

/** Reads of 512 KiB cost no more CPU time than larger ones; reads of 256 KiB do. 16 KiB is one TLS record. */
export const downloadBuffers: BufferSizes = {
  largeBytes: 512 * 1024,
  mostLarge: 32,
  mostLargeEach: 8,
  smallBytes: 16 * 1024,
  mostIdle: 8,
};

/** Smaller and more of them, so that incoming bytes do not wait while one buffer is written. */
export const uploadBuffers: BufferSizes = {
  largeBytes: 256 * 1024,
  mostLarge: 128,
  mostLargeEach: 64,
  smallBytes: 64 * 1024,
  mostIdle: 32,
};

/** Peers that have proven nothing are named by this and their network. */
export const networkPrefix = 'network:';

/**
 * Downloads of one peer that use buffers at the same time. Each costs 0.1 MB and more while its client does not read.
 * A network may have more than a device, because a whole fleet may be behind one address.
 */
export function mostDownloads(peer: string): number {
  return peer.startsWith(networkPrefix) ? 256 : 32;
}

/** The buffers of one peer. */
export interface BufferShare {
  /** True while so few buffers are in use that one transfer may hold several. */
  readonly isPlenty: boolean;
  take(): Buffer;
  takeSmall(): Buffer;
  /** Returns a buffer that is no longer read or written. */
  giveBack(buffer: Buffer): void;
  /** Stops counting a buffer, but does not reuse it, because it may still be in use. */
  abandon(buffer: Buffer): void;
  /** Frees the memory of a buffer that is no longer read or written. It is empty afterwards. */
  free(buffer: Buffer): void;
}

/**
 * Lends the buffers for bytes between disk and network. It lends large ones first, and small ones when all peers
 * together, or this peer, already have many. Large buffers are reused, so they cost the garbage collector nothing.
 */
export class TransferBuffers {
  private readonly idle: Buffer[] = [];
  private largeOut = 0;
  /** Number of large buffers in use, by peer. */
  private readonly lent = new Map<string, number>();

  constructor(private readonly sizes: BufferSizes) {}

  /** @param peer  the peer of a transfer */
  shareOf(peer: string): BufferShare {
    const isPlenty = () => this.isPlentyFor(peer);
    return {
      get isPlenty() {
        return isPlenty();
      },
      take: () => this.take(peer),
      takeSmall: () => this.takeSmall(),
      giveBack: (buffer) => this.giveBack(peer, buffer),
      abandon: (buffer) => this.abandon(peer, buffer),
      free: (buffer) => {
        this.abandon(peer, buffer);
        freeMemory(buffer);
      },
    };
  }

  private isPlentyFor(peer: string): boolean {
    const { mostLarge, mostLargeEach } = this.sizes;
    return this.largeOut * 2 < mostLarge && this.lentTo(peer) * 2 < mostLargeEach;
  }

  private take(peer: string): Buffer {
    const { mostLarge, mostLargeEach, largeBytes } = this.sizes;
    if (this.largeOut >= mostLarge || this.lentTo(peer) >= mostLargeEach) return this.takeSmall();
    this.largeOut += 1;
    this.lent.set(peer, this.lentTo(peer) + 1);
    return this.idle.pop() ?? Buffer.allocUnsafeSlow(largeBytes);
  }

  private takeSmall(): Buffer {
    return Buffer.allocUnsafeSlow(this.sizes.smallBytes);
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
