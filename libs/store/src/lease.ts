import { pause } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import type { Store } from './store.js';

// Each renewal is a durable write, also on the memory card of a gateway. To look costs nothing.
const [ttlSeconds, renewMs, lookMs] = [60, 20_000, 5_000];

export interface LeaseOptions {
  readonly store: Store;
  /** Its value names the replica that works. */
  readonly key: string;
  /** Names this replica, the same after a restart: then it need not wait for its own lease to end. */
  readonly holder: string;
  readonly onFault: (fault: unknown) => void;
}

/**
 * Lets one replica at a time work. The one that holds the entry renews it; when it is gone, another one takes it. A
 * replica that cannot renew stops before the entry is gone.
 */
export class Lease {
  constructor(private readonly options: LeaseOptions) {}

  /**
   * Works whenever this replica holds the lease, until the signal aborts.
   *
   * @param work ends when its signal aborts
   */
  async run(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const revision = await this.take();
      if (revision === undefined) await pause(lookMs, { signal, ref: false });
      else await this.hold(revision, work, signal);
    }
  }

  private async hold(first: number, work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const working = work(AbortSignal.any([signal, lost.signal]));
    let revision: number | undefined = first;
    for (;;) {
      await pause(renewMs, { signal, ref: false });
      if (signal.aborted) break;
      revision = await this.take();
      if (revision === undefined) break;
    }
    lost.abort();
    await working;
    if (signal.aborted && revision !== undefined) await this.giveBack(revision);
  }

  /** @returns its revision; undefined when another replica holds it, or the store does not answer */
  private async take(): Promise<number | undefined> {
    const { store, key, holder, onFault } = this.options;
    try {
      const entry = await store.get(key);
      if (entry !== undefined && entry.value !== holder) return undefined;
      return await store.put(key, holder, { ifRevision: entry?.revision ?? 0, ttlSeconds });
    } catch (error) {
      if (!(error instanceof Problem) || error.type !== 'conflict') onFault(error);
      return undefined;
    }
  }

  private async giveBack(ifRevision: number): Promise<void> {
    const { store, key, onFault } = this.options;
    await store.delete(key, { ifRevision }).catch(onFault);
  }
}
