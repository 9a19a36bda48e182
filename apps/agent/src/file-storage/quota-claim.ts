import { newFolder, noSpace, type Space, spaceForFile } from './space.js';

/** What has come to stand at a place, instead of what. */
export interface SettledChange {
  /** Below the root of the storage. */
  readonly place: string;
  readonly stored: Space;
  readonly replaced: Space;
}

interface Account {
  /** Resolves, or returns nothing, once the space is reserved; rejects when it does not fit. */
  readonly reserve: (space: Space) => Promise<void> | undefined;
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
  expect(bytes: number): Promise<void> | undefined {
    return this.reserve(spaceForFile(bytes));
  }

  /**
   * Takes space for bytes about to be written, out of the reservation as far as it goes.
   *
   * @throws Problem `storage-full`: they do not fit.
   */
  use(bytes: number): Promise<void> | undefined {
    this.usedBytes += bytes;
    const needed = spaceForFile(this.usedBytes);
    const lacking = {
      bytes: Math.max(0, needed.bytes - this.reserved.bytes),
      entries: Math.max(0, needed.entries - this.reserved.entries),
    };
    return lacking.bytes > 0 || lacking.entries > 0 ? this.reserve(lacking) : undefined;
  }

  /**
   * Reserves folders to be made on the way to the file, once the file is written.
   *
   * @throws Problem `storage-full`: they do not fit.
   */
  expectFolders(count: number): Promise<void> | undefined {
    if (count === 0) return undefined;
    return this.reserve({ bytes: count * newFolder.bytes, entries: count * newFolder.entries });
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

  /** Seldom has to wait, so it makes a promise only then. */
  private reserve(space: Space): Promise<void> | undefined {
    const waiting = this.account.reserve(space);
    if (waiting !== undefined) return waiting.then(() => this.note(space));
    this.note(space);
    return undefined;
  }

  private note(space: Space): void {
    this.reserved = {
      bytes: this.reserved.bytes + space.bytes,
      entries: this.reserved.entries + space.entries,
    };
  }
}
