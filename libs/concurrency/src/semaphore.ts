/** Lets so many hold a place at once. The others wait, in the order they came. */
export class Semaphore {
  private readonly waiting: (() => void)[] = [];
  private free: number;

  /** @param places 1 or more */
  constructor(places: number) {
    this.free = places;
  }

  /** Takes a place when one is free: no wait and no promise where there is room. */
  tryAcquire(): boolean {
    if (this.free === 0) return false;
    this.free -= 1;
    return true;
  }

  /** Resolves with a place taken. */
  acquire(): Promise<void> {
    if (this.tryAcquire()) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Gives a place back; the caller that has waited longest gets it. Call it once for each place taken. */
  release(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.free += 1;
    else next();
  }
}
