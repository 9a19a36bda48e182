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

interface Taken {
  readonly owner: string;
  readonly since: number;
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
  readonly #taken = new Map<Guest, Taken>();
  /** The oldest guest of an owner comes first. */
  readonly #guests = new Map<string, Set<Guest>>();
  /** Owners by how many places they have, so that the one with most is found without a search. */
  readonly #owners: Set<string>[] = [];

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
    } else if (this.#taken.size >= this.#options.most && !this.#makeRoom(owner, now)) return false;
    this.#add(owner, guest, now);
    return true;
  }

  /** Gives a place back; returns its owner. Does nothing for a guest without one. */
  leave(guest: Guest): string | undefined {
    const taken = this.#taken.get(guest);
    if (taken === undefined) return undefined;
    const { owner } = taken;
    const guests = this.#guests.get(owner);
    const before = guests?.size ?? 0;
    this.#taken.delete(guest);
    guests?.delete(guest);
    if (before === 1) this.#guests.delete(owner);
    this.#recount(owner, before, before - 1);
    return owner;
  }

  #add(owner: string, guest: Guest, since: number): void {
    const guests = this.#guests.get(owner) ?? new Set<Guest>();
    this.#guests.set(owner, guests.add(guest));
    this.#taken.set(guest, { owner, since });
    this.#recount(owner, guests.size - 1, guests.size);
  }

  #makeRoom(owner: string, now: number): boolean {
    const mine = this.#guests.get(owner)?.size ?? 0;
    const [crowded] = this.#owners.at(-1) ?? [];
    const most = this.#owners.length - 1;
    // With one place less than now, it must still have no fewer than the newcomer will have.
    if (crowded === undefined || most <= mine + 1) return this.#replaceOwn(owner, now);
    const guest = this.#idleOf(crowded) ?? this.#guests.get(crowded)?.values().next().value;
    if (guest !== undefined) this.#evict(guest);
    return guest !== undefined;
  }

  #replaceOwn(owner: string, now: number): boolean {
    const guest = this.#idleOf(owner);
    const since = guest === undefined ? undefined : this.#taken.get(guest)?.since;
    if (guest === undefined || since === undefined || now - since < this.#options.keptMs) return false;
    this.#evict(guest);
    return true;
  }

  #idleOf(owner: string): Guest | undefined {
    let left = mostLookedAt;
    for (const guest of this.#guests.get(owner) ?? []) {
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

  #recount(owner: string, before: number, after: number): void {
    this.#owners[before]?.delete(owner);
    while (this.#owners.length <= after) this.#owners.push(new Set());
    if (after > 0) this.#owners[after]?.add(owner);
    while (this.#owners.length > 0 && this.#owners.at(-1)?.size === 0) this.#owners.pop();
  }
}
