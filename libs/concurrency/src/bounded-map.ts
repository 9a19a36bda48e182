/**
 * A map in bounded memory: when it is full, a new key replaces the oldest one. Setting a key makes it the newest; reading
 * it does not.
 */
export class BoundedMap<Key, Value> {
  private readonly entries = new Map<Key, Value>();
  private readonly most: number;

  /** @param most entries at most, 1 or more */
  constructor(most: number) {
    this.most = most;
  }

  get size(): number {
    return this.entries.size;
  }

  get(key: Key): Value | undefined {
    return this.entries.get(key);
  }

  set(key: Key, value: Value): void {
    if (!this.entries.delete(key)) this.makeRoom();
    this.entries.set(key, value);
  }

  /** Returns whether the key was there. */
  delete(key: Key): boolean {
    return this.entries.delete(key);
  }

  clear(): void {
    this.entries.clear();
  }

  /** Oldest first. Entries may be deleted on the way. */
  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.entries.entries();
  }

  private makeRoom(): void {
    if (this.entries.size < this.most) return;
    for (const oldest of this.entries.keys()) {
      this.entries.delete(oldest);
      return;
    }
  }
}
