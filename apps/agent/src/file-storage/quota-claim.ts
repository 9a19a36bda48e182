import { newFolder, noSpace, type Space, spaceForFile } from './space.js';

/** A change at a place: the new entry, and the entry it replaces. */
export interface SettledChange {
  /** Path relative to the root of the storage. */
  readonly place: string;
  readonly stored: Space;
  readonly replaced: Space;
}

interface Account {
  /** Reserves space. Resolves or returns undefined when it is reserved; rejects when it does not fit. */
  readonly reserve: (space: Space) => Promise<void> | undefined;
  readonly release: (space: Space) => void;
  readonly settle: (change: SettledChange) => void;
}

/** The space that one upload has reserved. */
export class QuotaClaim {
  private reserved: Space = noSpace;
  private usedBytes = 0;

  constructor(private readonly account: Account) {}

  /**
   * Reserves space for a file of the announced length, before its first byte is read.
   *
   * @throws Problem `storage-full`: it does not fit.
   */
  expect(bytes: number): Promise<void> | undefined {
    return this.reserve(spaceForFile(bytes));
  }

  /**
   * Takes space for bytes that will be written next, first from the reservation.
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
   * Reserves space for the folders that must be made for the file, after the file is written.
   *
   * @throws Problem `storage-full`: they do not fit.
   */
  expectFolders(count: number): Promise<void> | undefined {
    if (count === 0) return undefined;
    return this.reserve({ bytes: count * newFolder.bytes, entries: count * newFolder.entries });
  }

  /** Records that a folder was made. */
  settleFolder(place: string): void {
    this.account.settle({ place, stored: newFolder, replaced: noSpace });
  }

  /** Records that the file is in its place, and frees the rest of the reservation. */
  settle(change: SettledChange): void {
    this.account.settle(change);
    this.release();
  }

  /** Frees the reservation; may be called twice. */
  release(): void {
    this.account.release(this.reserved);
    this.reserved = noSpace;
  }

  /** Makes a promise only if it has to wait, which is rare. */
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
