import { randomUUID } from 'node:crypto';
import { pause } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import type { Store } from '@sallyport/store';

const leaseKey = 'entities/channel';
const [ttlSeconds, renewMs] = [15, 5_000];

/**
 * Lets one replica at a time work. The one that holds the entry renews it; when it is gone, another one takes it. A
 * replica that cannot renew stops before the entry is gone.
 */
export class ChannelLease {
  private readonly holder = randomUUID();

  constructor(
    private readonly store: Store,
    private readonly onFault: (fault: unknown) => void,
  ) {}

  /**
   * Works whenever this replica holds the lease, until the signal aborts.
   *
   * @param work ends when its signal aborts
   */
  async run(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const revision = await this.take(0);
      if (revision === undefined) await pause(renewMs, { signal, ref: false });
      else await this.hold(revision, work, signal);
    }
  }

  private async hold(first: number, work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const lost = new AbortController();
    const working = work(AbortSignal.any([signal, lost.signal]));
    let revision: number | undefined = first;
    while (revision !== undefined && !signal.aborted) {
      await pause(renewMs, { signal, ref: false });
      const renewed: number | undefined = signal.aborted ? undefined : await this.take(revision);
      if (renewed === undefined) break;
      revision = renewed;
    }
    lost.abort();
    await working;
    if (signal.aborted && revision !== undefined) await this.giveBack(revision);
  }

  /** @returns the new revision; undefined when another one holds it, or the store does not answer */
  private async take(ifRevision: number): Promise<number | undefined> {
    try {
      return await this.store.put(leaseKey, this.holder, { ifRevision, ttlSeconds });
    } catch (error) {
      if (!(error instanceof Problem) || error.type !== 'conflict') this.onFault(error);
      return undefined;
    }
  }

  private async giveBack(ifRevision: number): Promise<void> {
    await this.store.delete(leaseKey, { ifRevision }).catch(this.onFault);
  }
}
