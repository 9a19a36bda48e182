export interface PlaceLimits {
  /** Of all clients together. */
  readonly all: number;
  /** One client has no more than this. */
  readonly each: number;
  /** The last places are only for clients that hold fewer than `few`. */
  readonly lastPlaces: number;
  readonly few: number;
}

interface Waiter {
  readonly client: string;
  readonly enter: () => void;
}

/**
 * Places that no client, and no few clients together, can take from the others: the last ones are kept for clients that
 * hold few. A client that waits holds `few` or more, so it gets on at the latest when it leaves a place itself.
 */
export class FairPlaces {
  private readonly held = new Map<string, number>();
  private readonly waiters = new Set<Waiter>();
  private taken = 0;

  constructor(private readonly limits: PlaceLimits) {}

  tryTake(client: string): boolean {
    const held = this.held.get(client) ?? 0;
    const { all, each, lastPlaces, few } = this.limits;
    const isFree = held < few || (held < each && this.taken < all - lastPlaces);
    if (!isFree) return false;
    this.held.set(client, held + 1);
    this.taken += 1;
    return true;
  }

  /**
   * Resolves with a place. Waiting clients get one in their order, but nobody waits for one who may not have more.
   *
   * @throws the reason of `signal`
   */
  async take(client: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.tryTake(client)) return;
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.waiters.delete(waiter);
        reject(signal.reason);
      };
      const enter = (): void => {
        this.waiters.delete(waiter);
        signal.removeEventListener('abort', abort);
        resolve();
      };
      const waiter: Waiter = { client, enter };
      this.waiters.add(waiter);
      signal.addEventListener('abort', abort);
    });
  }

  /** Gives a place back. Call it once for each place taken. */
  leave(client: string): void {
    const held = (this.held.get(client) ?? 0) - 1;
    if (held > 0) this.held.set(client, held);
    else this.held.delete(client);
    this.taken -= 1;
    for (const waiter of this.waiters) {
      if (!this.tryTake(waiter.client)) continue;
      waiter.enter();
      return;
    }
  }
}
