import { Problem } from '@sallyport/protocol';

// A refusal is worth a look at the disk, as local processes delete files too; but not one a request.
const recountIntervalMs = 5_000;
// They add files, too. Those were never added to the sum, but are taken off it when a peer deletes or replaces them.
const longestTrustMs = 60_000;

export interface QuotaOptions {
  readonly limitBytes: number;
  /** Counts the bytes of all stored files, unfinished uploads left out. */
  readonly count: () => Promise<number>;
  /** Runs a task while no file is put in its place and none removed. */
  readonly atStandstill: (task: () => Promise<void>) => Promise<void>;
  readonly nowMs: () => number;
}

interface SettledChange {
  readonly reserved: number;
  readonly added: number;
  readonly removed: number;
}

/** What one upload has reserved. */
export class QuotaClaim {
  private reservedBytes = 0;
  private usedBytes = 0;

  constructor(
    private readonly quota: {
      readonly reserve: (bytes: number) => Promise<void>;
      readonly settle: (change: SettledChange) => void;
    },
  ) {}

  /**
   * Reserves what the sender announced, before any of it is read.
   *
   * @throws Problem `storage-full`: it does not fit.
   */
  async expect(bytes: number): Promise<void> {
    await this.quota.reserve(bytes);
    this.reservedBytes += bytes;
  }

  /**
   * Takes space for bytes about to be written, out of the reservation as far as it goes.
   *
   * @throws Problem `storage-full`: they do not fit.
   */
  async use(bytes: number): Promise<void> {
    this.usedBytes += bytes;
    if (this.usedBytes > this.reservedBytes) await this.expect(this.usedBytes - this.reservedBytes);
  }

  /** The upload is stored, in place of a file of `removed` bytes. */
  settle(removed: number): void {
    this.quota.settle({ reserved: this.reservedBytes, added: this.usedBytes, removed });
    this.reservedBytes = 0;
  }

  /** Gives back what has not been settled. */
  release(): void {
    this.quota.settle({ reserved: this.reservedBytes, added: 0, removed: 0 });
    this.reservedBytes = 0;
  }
}

/**
 * Keeps the bytes below the storage root within a limit. Space is reserved before it is written, so uploads side by side
 * cannot exceed it together; a file being replaced counts until its successor stands in its place, as it does on disk.
 */
export class StorageQuota {
  private storedBytes = 0;
  private reservedBytes = 0;
  private countedAtMs = Number.NEGATIVE_INFINITY;
  private counting: Promise<void> | undefined;

  private constructor(private readonly options: QuotaOptions) {}

  static async open(options: QuotaOptions): Promise<StorageQuota> {
    const quota = new StorageQuota(options);
    await quota.recount();
    return quota;
  }

  /** Bytes stored and reserved. */
  get usedBytes(): number {
    return this.storedBytes + this.reservedBytes;
  }

  /** Opens an account for one upload. */
  claimFor(text: string): QuotaClaim {
    return new QuotaClaim({
      reserve: (bytes) => this.reserve(bytes, text),
      settle: (change) => this.settle(change),
    });
  }

  /** Notes that files of so many bytes are gone. */
  forget(bytes: number): void {
    this.settle({ reserved: 0, added: 0, removed: bytes });
  }

  private async reserve(bytes: number, text: string): Promise<void> {
    await this.recountIfOlder(longestTrustMs);
    if (!this.fits(bytes)) await this.recountIfOlder(recountIntervalMs);
    if (!this.fits(bytes)) throw this.full(bytes, text);
    this.reservedBytes += bytes;
  }

  private settle({ reserved, added, removed }: SettledChange): void {
    this.reservedBytes -= reserved;
    this.storedBytes += added - removed;
  }

  private fits(bytes: number): boolean {
    return this.usedBytes + bytes <= this.options.limitBytes;
  }

  private async recountIfOlder(ageMs: number): Promise<void> {
    const sinceMs = this.options.nowMs() - this.countedAtMs;
    // Negative when the clock was set back.
    if (sinceMs >= 0 && sinceMs < ageMs) return;
    this.counting ??= this.recount().finally(() => {
      this.counting = undefined;
    });
    await this.counting;
  }

  private async recount(): Promise<void> {
    const { count, atStandstill, nowMs } = this.options;
    // The sum is taken over before anything changes again, or the change would be lost from it.
    await atStandstill(async () => {
      this.storedBytes = await count();
    });
    this.countedAtMs = nowMs();
  }

  private full(bytes: number, text: string): Problem {
    const { limitBytes } = this.options;
    return new Problem(
      'storage-full',
      `${JSON.stringify(text)} does not fit: it needs ${bytes} bytes, the storage holds ${this.usedBytes} of its ${limitBytes}. Delete files, or raise http.storage_quota.`,
    );
  }
}
