/** Something that holds a place, and can lose it to an owner who has fewer. */
export interface Evictable {
  /** True when ending it interrupts nothing. Idle holders are evicted first. */
  readonly isIdle: boolean;
  /** Ends the holder at once. Its place has been released before. */
  evict(): void;
}

export interface FairQuotaOptions {
  readonly most: number;
  /** How long an idle holder is safe from a newer one of the same owner, in milliseconds. */
  readonly keptMs: number;
}

/** Holders examined to find an idle one. An owner may have thousands, and a connection waits for the result. */
const mostLookedAt = 64;

/**
 * A limited number of places in all, and for each owner. When all are taken and an owner with fewer places needs one,
 * the owner with the most loses one: its oldest idle holder, or else its oldest. So an owner that takes many places
 * only takes them from itself.
 *
 * When every owner has one place, nobody loses it. A new owner has to try again later.
 */
export class FairQuota {
  private readonly options: FairQuotaOptions;
  private readonly ownerOf = new Map<Evictable, string>();
  /** The holders of each owner, with the time they got their place; the oldest first. */
  private readonly holders = new Map<string, Map<Evictable, number>>();

  constructor(options: FairQuotaOptions) {
    this.options = options;
  }

  /**
   * Takes a place, from another holder if necessary.
   *
   * @param claim.most  places this owner may have. When it has them all, it can only replace an old idle holder of its
   *   own.
   * @param claim.now   milliseconds of a clock that only goes forward.
   * @returns false when there is none. Each true needs one `release`.
   */
  acquire(owner: string, holder: Evictable, { most, now }: { readonly most: number; readonly now: number }): boolean {
    const mine = this.holders.get(owner)?.size ?? 0;
    if (mine >= most) {
      if (!this.replaceOwn(owner, now)) return false;
    } else if (this.ownerOf.size >= this.options.most && !this.makeRoom(owner, now)) return false;
    const holders = this.holders.get(owner) ?? new Map<Evictable, number>();
    this.holders.set(owner, holders.set(holder, now));
    this.ownerOf.set(holder, owner);
    return true;
  }

  /** Gives a place back, and returns its owner. Does nothing for a holder without one. */
  release(holder: Evictable): string | undefined {
    const owner = this.ownerOf.get(holder);
    if (owner === undefined) return undefined;
    this.ownerOf.delete(holder);
    const holders = this.holders.get(owner);
    holders?.delete(holder);
    if (holders?.size === 0) this.holders.delete(owner);
    return owner;
  }

  private makeRoom(owner: string, now: number): boolean {
    const mine = this.holders.get(owner)?.size ?? 0;
    const crowded = this.mostCrowded();
    // After it lost one, it must still have at least as many as the new owner will have.
    if (crowded === undefined || crowded.holders.size <= mine + 1) return this.replaceOwn(owner, now);
    const holder = this.idleOf(crowded.owner) ?? crowded.holders.keys().next().value;
    if (holder !== undefined) this.evict(holder);
    return holder !== undefined;
  }

  /** A linear search, but only while all places are taken. Keeping owners sorted would cost every connection. */
  private mostCrowded() {
    let crowded: { readonly owner: string; readonly holders: ReadonlyMap<Evictable, number> } | undefined;
    for (const [owner, holders] of this.holders)
      if (crowded === undefined || holders.size > crowded.holders.size) crowded = { owner, holders };
    return crowded;
  }

  private replaceOwn(owner: string, now: number): boolean {
    const holder = this.idleOf(owner);
    const since = holder === undefined ? undefined : this.holders.get(owner)?.get(holder);
    if (holder === undefined || since === undefined || now - since < this.options.keptMs) return false;
    this.evict(holder);
    return true;
  }

  private idleOf(owner: string): Evictable | undefined {
    let left = mostLookedAt;
    for (const holder of this.holders.get(owner)?.keys() ?? []) {
      if (holder.isIdle) return holder;
      left -= 1;
      if (left === 0) return undefined;
    }
    return undefined;
  }

  private evict(holder: Evictable): void {
    this.release(holder);
    holder.evict();
  }
}
