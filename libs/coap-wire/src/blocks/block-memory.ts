/** One connection's part of the memory. */
interface Share {
  bytes: number;
  /** Drops the transfer that was idle longest, and gives its bytes back. False: there is none. */
  dropOldest(): boolean;
}

export interface BlockMemoryLimits {
  /** Of all connections, in bytes. */
  readonly mostBytes: number;
  /** Of one connection, in bytes; at least the largest body. */
  readonly mostBytesEach: number;
}

/**
 * Bounds the bodies that wait for more of their blocks, of one connection and of all.
 *
 * When all of it is taken, the connection that has most loses its oldest transfer to one that has less. So a connection
 * that fills the memory only takes from itself.
 */
export class BlockMemory {
  private readonly shares = new Set<Share>();
  private bytes = 0;

  constructor(private readonly limits: BlockMemoryLimits) {}

  /** Bytes that are taken now. */
  get takenBytes(): number {
    return this.bytes;
  }

  /** False: there is no room for so many bytes. Nothing is taken then, but older transfers may be gone. */
  take(share: Share, bytes: number): boolean {
    if (!this.hasRoomEach(share, bytes) || !this.hasRoom(share, bytes)) return false;
    share.bytes += bytes;
    this.bytes += bytes;
    this.shares.add(share);
    return true;
  }

  give(share: Share, bytes: number): void {
    share.bytes -= bytes;
    this.bytes -= bytes;
    if (share.bytes === 0) this.shares.delete(share);
  }

  private hasRoomEach(share: Share, bytes: number): boolean {
    while (share.bytes + bytes > this.limits.mostBytesEach) if (!share.dropOldest()) return false;
    return true;
  }

  private hasRoom(share: Share, bytes: number): boolean {
    while (this.bytes + bytes > this.limits.mostBytes) {
      const largest = this.largestShare();
      if (largest === undefined || largest.bytes <= share.bytes + bytes || !largest.dropOldest()) return false;
    }
    return true;
  }

  /** A linear search, but only while all memory is taken. */
  private largestShare(): Share | undefined {
    let largest: Share | undefined;
    for (const share of this.shares) if (largest === undefined || share.bytes > largest.bytes) largest = share;
    return largest;
  }
}
