/** Lets so many hold a place at once. The others wait, in the order they came. */
export class Semaphore {
  private readonly waiting = new Set<() => void>();
  private readonly places: number;
  private free: number;

  /** @param places 1 or more */
  constructor(places: number) {
    this.places = places;
    this.free = places;
  }

  /** Nobody holds a place, so nobody waits for one. */
  get isIdle(): boolean {
    return this.free === this.places;
  }

  /** Takes a place when one is free: no wait and no promise where there is room. */
  tryAcquire(): boolean {
    if (this.free === 0) return false;
    this.free -= 1;
    return true;
  }

  /**
   * Resolves with a place taken.
   *
   * @param signal ends the wait, and the caller is forgotten at once: it rejects with the signal's reason
   */
  acquire(signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (this.tryAcquire()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.waiting.delete(enter);
        reject(signal?.reason);
      };
      const enter = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      this.waiting.add(enter);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  /** Gives a place back; the caller that has waited longest gets it. Call it once for each place taken. */
  release(): void {
    const [next] = this.waiting;
    if (next === undefined) {
      this.free += 1;
      return;
    }
    this.waiting.delete(next);
    next();
  }
}

/** A semaphore for each key. Only keys with a place taken use memory. */
export class KeyedSemaphore<Key = string> {
  private readonly semaphores = new Map<Key, Semaphore>();
  private readonly placesOf: (key: Key) => number;

  /** @param placesOf the number of places of a key, 1 or more */
  constructor(placesOf: (key: Key) => number) {
    this.placesOf = placesOf;
  }

  /** Keys with a place taken. */
  get size(): number {
    return this.semaphores.size;
  }

  /** Takes a place of this key when one is free. */
  tryAcquire(key: Key): boolean {
    return this.semaphoreOf(key).tryAcquire();
  }

  /** Resolves with a place of this key taken; see `Semaphore.acquire`. */
  async acquire(key: Key, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.semaphoreOf(key).acquire(signal);
  }

  /** Gives a place back. Call it once for each place taken. */
  release(key: Key): void {
    const semaphore = this.semaphores.get(key);
    semaphore?.release();
    if (semaphore?.isIdle === true) this.semaphores.delete(key);
  }

  private semaphoreOf(key: Key): Semaphore {
    const known = this.semaphores.get(key);
    if (known !== undefined) return known;
    const semaphore = new Semaphore(this.placesOf(key));
    this.semaphores.set(key, semaphore);
    return semaphore;
  }
}
