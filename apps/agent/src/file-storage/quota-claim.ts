import { newFolder, noSpace, type Space, spaceForFile } from './space.js';

/** What has come to stand at a place, instead of what. */
export interface SettledChange {
  /** Below the root of the storage. */
  readonly place: string;
  readonly stored: Space;
  readonly replaced: Space;
}

interface Account {
  readonly reserve: (space: Space) => Promise<void>;
  readonly release: (space: Space) => void;
  readonly settle: (change: SettledChange) => void;
}

/** What one upload has reserved. */
export class QuotaClaim {
  private reserved: Space = noSpace;
  private usedBytes = 0;

  constructor(private readonly account: Account) {}

  /**
   * Reserves a file of the length the sender announced, before any of it is read.
   *
   * @throws Problem `storage-full`: it does not fit.
   */
  async expect(bytes: number): Promise<void> {
    await this.reserve(spaceForFile(bytes));
  }

  /**
   * Takes space for bytes about to be written, out of the reservation as far as it goes.
   *
   * @throws Problem `storage-full`: they do not fit.
   */
  async use(bytes: number): Promise<void> {
    this.usedBytes += bytes;
    const needed = spaceForFile(this.usedBytes);
    const lacking = {
      bytes: Math.max(0, needed.bytes - this.reserved.bytes),
      entries: Math.max(0, needed.entries - this.reserved.entries),
    };
    if (lacking.bytes > 0 || lacking.entries > 0) await this.reserve(lacking);
  }

  /**
   * Reserves folders to be made on the way to the file, once the file is written.
   *
   * @throws Problem `storage-full`: they do not fit.
   */
  async expectFolders(count: number): Promise<void> {
    if (count > 0) await this.reserve({ bytes: count * newFolder.bytes, entries: count * newFolder.entries });
  }

  /** A folder has been made. */
  settleFolder(place: string): void {
    this.account.settle({ place, stored: newFolder, replaced: noSpace });
  }

  /** The file stands in its place; what was reserved is free again. */
  settle(change: SettledChange): void {
    this.account.settle(change);
    this.release();
  }

  /** Gives back what is reserved; may be called twice. */
  release(): void {
    this.account.release(this.reserved);
    this.reserved = noSpace;
  }

  private async reserve(space: Space): Promise<void> {
    await this.account.reserve(space);
    this.reserved = {
      bytes: this.reserved.bytes + space.bytes,
      entries: this.reserved.entries + space.entries,
    };
  }
}
