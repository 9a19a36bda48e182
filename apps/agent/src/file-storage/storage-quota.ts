import { Problem } from '@sallyport/protocol';
import { Owners } from './owners.js';
import { QuotaClaim, type SettledChange } from './quota-claim.js';
import { type Space, SpaceCounter } from './space.js';

// Before a refusal we look at the disk, because local processes delete files too. But we do not look for each request.
const recountIntervalMs = 5_000;
// Local processes also add files. These are not in the sum, but are subtracted when a peer deletes or replaces them.
const longestTrustMs = 60_000;
// Changes wait while very many files are counted. So a count is repeated only after this multiple of its duration.
const restPerCount = 100;

/** Limits of the storage; a missing one means unlimited. */
export interface QuotaLimits {
  readonly bytes?: number;
  /** Files and folders. */
  readonly entries?: number;
  /** The share of one owner in percent; default 100. */
  readonly sharePercent?: number;
}

export interface QuotaOptions {
  readonly limits: QuotaLimits;
  /** Lists everything that is stored, except unfinished uploads. */
  readonly count: (tell: (place: string, space: Space) => void) => Promise<void>;
  /** Runs a task while no file takes its place and none is removed. */
  readonly atStandstill: (task: () => Promise<void>) => Promise<void>;
  readonly nowMs: () => number;
  /** The file that remembers the owner of each stored file over restarts; without it they are only in memory. */
  readonly ownersJournal?: string;
}

/**
 * Limits the stored files, in total and for each owner. Space is reserved before it is written, so parallel uploads
 * cannot exceed the limit together. A file that is being replaced counts until the new file is in its place, because
 * both are on the disk until then.
 */
export class StorageQuota {
  private stored = new SpaceCounter();
  private readonly reserved = new SpaceCounter();
  private readonly owners: Owners;
  private countedAtMs = Number.NEGATIVE_INFINITY;
  private countTookMs = 0;
  private counting: Promise<void> | undefined;

  private constructor(private readonly options: QuotaOptions) {
    this.owners = new Owners(options.ownersJournal);
  }

  static async open(options: QuotaOptions): Promise<StorageQuota> {
    const quota = new StorageQuota(options);
    await quota.recount();
    return quota;
  }

  /**
   * Opens an account for one upload.
   *
   * @param text the path, for messages
   * @param owner of the share that it uses; no share is used when absent
   */
  claimFor(text: string, owner: string | undefined): QuotaClaim {
    return new QuotaClaim({
      reserve: (space) => this.reserve(space, { text, owner }),
      release: (space) => this.reserved.take(space, owner),
      settle: (change) => this.settle(change, owner),
    });
  }

  /** Records that the entry at a place was removed. */
  forget(place: string, space: Space): void {
    this.stored.take(space, this.owners.ownerOf(place));
    this.owners.set(place, undefined);
  }

  private reserve(space: Space, request: Request): Promise<void> | undefined {
    if (this.isOlder(this.trustMs) || this.obstacle(space, request) !== undefined)
      return this.reserveAnew(space, request);
    this.reserved.add(space, request.owner);
    return undefined;
  }

  /** Like `reserve`, but counts the files on the disk again before it refuses. */
  private async reserveAnew(space: Space, request: Request): Promise<void> {
    await this.recountIfOlder(this.trustMs);
    if (this.obstacle(space, request) !== undefined) await this.recountIfOlder(recountIntervalMs);
    const obstacle = this.obstacle(space, request);
    if (obstacle !== undefined)
      throw new Problem('storage-full', `${JSON.stringify(request.text)} does not fit: ${obstacle}`);
    this.reserved.add(space, request.owner);
  }

  private get trustMs(): number {
    return this.owners.isRewriteDue ? recountIntervalMs : longestTrustMs;
  }

  private settle({ place, stored, replaced }: SettledChange, owner: string | undefined): void {
    this.stored.take(replaced, this.owners.ownerOf(place));
    this.stored.add(stored, owner);
    this.owners.set(place, owner);
  }

  /** The reason why this space cannot be reserved, and what to do; undefined when it can. */
  private obstacle(needed: Space, { owner }: Request): string | undefined {
    const {
      bytes = Number.POSITIVE_INFINITY,
      entries = Number.POSITIVE_INFINITY,
      sharePercent = 100,
    } = this.options.limits;
    const used = sum(this.stored.total, this.reserved.total);
    if (used.bytes + needed.bytes > bytes)
      return `it needs ${needed.bytes} bytes, the storage holds ${used.bytes} of its ${bytes}. Delete files, or raise http.storage_quota.`;
    if (used.entries + needed.entries > entries)
      return `the storage holds ${used.entries} of its ${entries} files and folders. Delete some, or raise http.storage_entries.`;
    if (owner === undefined) return undefined;
    const own = sum(this.stored.of(owner), this.reserved.of(owner));
    const shareOf = (limit: number): number => Math.floor((limit * sharePercent) / 100);
    if (own.bytes + needed.bytes > shareOf(bytes))
      return `it needs ${needed.bytes} bytes, and you hold ${own.bytes} of the ${shareOf(bytes)} that one client may. Delete files of yours, or raise http.storage_share.`;
    if (own.entries + needed.entries > shareOf(entries))
      return `you hold ${own.entries} of the ${shareOf(entries)} files and folders that one client may. Delete some of yours, or raise http.storage_share.`;
    return undefined;
  }

  private async recountIfOlder(ageMs: number): Promise<void> {
    if (!this.isOlder(ageMs)) return;
    this.counting ??= this.recount().finally(() => {
      this.counting = undefined;
    });
    await this.counting;
  }

  private isOlder(ageMs: number): boolean {
    const sinceMs = this.options.nowMs() - this.countedAtMs;
    // Negative when the clock was set back.
    return sinceMs < 0 || sinceMs >= Math.max(ageMs, restPerCount * this.countTookMs);
  }

  private async recount(): Promise<void> {
    const { atStandstill, nowMs } = this.options;
    const startedAt = performance.now();
    // Set the new sum before anything changes again. Otherwise the sum would miss that change.
    await atStandstill(() => this.takeStock());
    this.countTookMs = performance.now() - startedAt;
    this.countedAtMs = nowMs();
  }

  private async takeStock(): Promise<void> {
    const counter = new SpaceCounter();
    const places = new Set<string>();
    await this.options.count((place, space) => {
      const owner = this.owners.ownerOf(place);
      if (owner !== undefined) places.add(place);
      counter.add(space, owner);
    });
    this.stored = counter;
    await this.owners.keepOnly(places);
  }
}

interface Request {
  readonly text: string;
  readonly owner: string | undefined;
}

function sum(one: Space, other: Space): Space {
  return { bytes: one.bytes + other.bytes, entries: one.entries + other.entries };
}
