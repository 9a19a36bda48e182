/** Who takes a place, and may have to give it up for somebody who has fewer. */
export interface Guest {
  /** True when nothing is lost that somebody waits for; such a guest goes first. */
  readonly isIdle: boolean;
  /** Ends the guest at once. Its place is free already. */
  evict(): void;
}

export interface FairPlacesOptions {
  readonly most: number;
  /** How long an idle guest keeps its place against a newer one of the same owner, in milliseconds. */
  readonly keptMs: number;
}

/** Guests looked at to find an idle one: an owner may have thousands, and somebody waits. */
const mostLookedAt = 64;

/**
 * So many places in all, and so many for one owner. When all are taken, the owner who has most gives one up to an owner
 * who has fewer: its oldest idle guest, or its oldest. So whoever takes many takes them from itself.
 *
 * Owners with one place each keep them, and a newcomer has to come back later: to end each other would help nobody.
 */
export class FairPlaces {
  readonly #options: FairPlacesOptions;
  readonly #ownerOf = new Map<Guest, string>();
  /** Since when each guest of an owner has its place; the oldest comes first. */
  readonly #guests = new Map<string, Map<Guest, number>>();

  constructor(options: FairPlacesOptions) {
    this.#options = options;
  }

  /**
   * Takes a place, if need be from another.
   *
   * @param claim.most  places this owner may have; with all of them taken, an old idle guest of its own makes room.
   * @param claim.now   milliseconds of a clock that only goes forward.
   * @returns false when there is none. Each true needs one `leave`.
   */
  take(owner: string, guest: Guest, { most, now }: { readonly most: number; readonly now: number }): boolean {
    const mine = this.#guests.get(owner)?.size ?? 0;
    if (mine >= most) {
      if (!this.#replaceOwn(owner, now)) return false;
    } else if (this.#ownerOf.size >= this.#options.most && !this.#makeRoom(owner, now)) return false;
    const guests = this.#guests.get(owner) ?? new Map<Guest, number>();
    this.#guests.set(owner, guests.set(guest, now));
    this.#ownerOf.set(guest, owner);
    return true;
  }

  /** Gives a place back; returns its owner. Does nothing for a guest without one. */
  leave(guest: Guest): string | undefined {
    const owner = this.#ownerOf.get(guest);
    if (owner === undefined) return undefined;
    this.#ownerOf.delete(guest);
    const guests = this.#guests.get(owner);
    guests?.delete(guest);
    if (guests?.size === 0) this.#guests.delete(owner);
    return owner;
  }

  #makeRoom(owner: string, now: number): boolean {
    const mine = this.#guests.get(owner)?.size ?? 0;
    const crowded = this.#mostCrowded();
    // With one place less than now, it must still have no fewer than the newcomer will have.
    if (crowded === undefined || crowded.guests.size <= mine + 1) return this.#replaceOwn(owner, now);
    const guest = this.#idleOf(crowded.owner) ?? crowded.guests.keys().next().value;
    if (guest !== undefined) this.#evict(guest);
    return guest !== undefined;
  }

  /** A search, but only while all places are taken: to keep owners in order costs every connection more. */
  #mostCrowded() {
    let crowded: { readonly owner: string; readonly guests: ReadonlyMap<Guest, number> } | undefined;
    for (const [owner, guests] of this.#guests)
      if (crowded === undefined || guests.size > crowded.guests.size) crowded = { owner, guests };
    return crowded;
  }

  #replaceOwn(owner: string, now: number): boolean {
    const guest = this.#idleOf(owner);
    const since = guest === undefined ? undefined : this.#guests.get(owner)?.get(guest);
    if (guest === undefined || since === undefined || now - since < this.#options.keptMs) return false;
    this.#evict(guest);
    return true;
  }

  #idleOf(owner: string): Guest | undefined {
    let left = mostLookedAt;
    for (const guest of this.#guests.get(owner)?.keys() ?? []) {
      if (guest.isIdle) return guest;
      left -= 1;
      if (left === 0) return undefined;
    }
    return undefined;
  }

  #evict(guest: Guest): void {
    this.leave(guest);
    guest.evict();
  }
}
