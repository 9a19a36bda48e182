/** Who takes a place, and may have to give it up for somebody who has fewer. */
export interface Evictable {
  /** True when nothing is lost that somebody waits for; such a holder goes first. */
  readonly isIdle: boolean;
  /** Ends the holder at once. Its place is free already. */
  evict(): void;
}

export interface FairQuotaOptions {
  readonly most: number;
  /** How long an idle holder keeps its place against a newer one of the same owner, in milliseconds. */
  readonly keptMs: number;
}

/** Guests looked at to find an idle one: an owner may have thousands, and somebody waits. */
const mostLookedAt = 64;

/**
 * So many places in all, and so many for one owner. When all are taken, the owner who has most gives one up to an owner
 * who has fewer: its oldest idle holder, or its oldest. So whoever takes many takes them from itself.
 *
 * Owners with one place each keep them, and a newcomer has to come back later: to end each other would help nobody.
 */
export class FairQuota {
  readonly #options: FairQuotaOptions;
  readonly #ownerOf = new Map<Evictable, string>();
  /** Since when each holder of an owner has its place; the oldest comes first. */
  readonly #holders = new Map<string, Map<Evictable, number>>();

  constructor(options: FairQuotaOptions) {
    this.#options = options;
  }

  /**
   * Takes a place, if need be from another.
   *
   * @param claim.most  places this owner may have; with all of them taken, an old idle holder of its own makes room.
   * @param claim.now   milliseconds of a clock that only goes forward.
   * @returns false when there is none. Each true needs one `release`.
   */
  acquire(owner: string, holder: Evictable, { most, now }: { readonly most: number; readonly now: number }): boolean {
    const mine = this.#holders.get(owner)?.size ?? 0;
    if (mine >= most) {
      if (!this.#replaceOwn(owner, now)) return false;
    } else if (this.#ownerOf.size >= this.#options.most && !this.#makeRoom(owner, now)) return false;
    const holders = this.#holders.get(owner) ?? new Map<Evictable, number>();
    this.#holders.set(owner, holders.set(holder, now));
    this.#ownerOf.set(holder, owner);
    return true;
  }

  /** Gives a place back; returns its owner. Does nothing for a holder without one. */
  release(holder: Evictable): string | undefined {
    const owner = this.#ownerOf.get(holder);
    if (owner === undefined) return undefined;
    this.#ownerOf.delete(holder);
    const holders = this.#holders.get(owner);
    holders?.delete(holder);
    if (holders?.size === 0) this.#holders.delete(owner);
    return owner;
  }

  #makeRoom(owner: string, now: number): boolean {
    const mine = this.#holders.get(owner)?.size ?? 0;
    const crowded = this.#mostCrowded();
    // With one place less than now, it must still have no fewer than the newcomer will have.
    if (crowded === undefined || crowded.holders.size <= mine + 1) return this.#replaceOwn(owner, now);
    const holder = this.#idleOf(crowded.owner) ?? crowded.holders.keys().next().value;
    if (holder !== undefined) this.#evict(holder);
    return holder !== undefined;
  }

  /** A search, but only while all places are taken: to keep owners in order costs every connection more. */
  #mostCrowded() {
    let crowded: { readonly owner: string; readonly holders: ReadonlyMap<Evictable, number> } | undefined;
    for (const [owner, holders] of this.#holders)
      if (crowded === undefined || holders.size > crowded.holders.size) crowded = { owner, holders };
    return crowded;
  }

  #replaceOwn(owner: string, now: number): boolean {
    const holder = this.#idleOf(owner);
    const since = holder === undefined ? undefined : this.#holders.get(owner)?.get(holder);
    if (holder === undefined || since === undefined || now - since < this.#options.keptMs) return false;
    this.#evict(holder);
    return true;
  }

  #idleOf(owner: string): Evictable | undefined {
    let left = mostLookedAt;
    for (const holder of this.#holders.get(owner)?.keys() ?? []) {
      if (holder.isIdle) return holder;
      left -= 1;
      if (left === 0) return undefined;
    }
    return undefined;
  }

  #evict(holder: Evictable): void {
    this.release(holder);
    holder.evict();
  }
}
