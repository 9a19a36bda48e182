import { Injectable } from '@nestjs/common';
import { listenerSilenceSeconds } from '@sallyport/protocol';
import { Store } from '@sallyport/store';
import { z } from 'zod';

/** How many listeners apply a version, and how many did not say so in time. */
export interface Followed {
  readonly listeners: number;
  readonly late: number;
}

const prefix = 'connector-listener/';
const storedListener = z.strictObject({ version: z.int().min(0) });
const longestWaitMs = 5_000;

/** Where a listener reports to. */
export interface ListenerReport {
  readonly listener: string;
  readonly version: number;
  readonly leaves: boolean;
}

/**
 * The listeners of devices that are there, and the version each applies. Keys: `connector-listener/<listener>`; an entry
 * lives as long as its listener is not silent. They are in the store, because each report reaches one replica only.
 */
@Injectable()
export class ConnectorListeners {
  constructor(private readonly store: Store) {}

  async note({ listener, version, leaves }: ListenerReport): Promise<void> {
    const key = `${prefix}${listener}`;
    if (leaves) await this.store.delete(key);
    else await this.store.put(key, { version }, { ttlSeconds: listenerSilenceSeconds });
  }

  /** Waits until all listeners that are there apply a version, for at most 5 s. Never throws. */
  async waitFor(version: number): Promise<Followed> {
    const done = new AbortController();
    try {
      return await this.watch(version, AbortSignal.any([done.signal, AbortSignal.timeout(longestWaitMs)]));
    } catch {
      // The change is in force. Only whether the listeners follow is not known.
      return { listeners: 0, late: 0 };
    } finally {
      done.abort();
    }
  }

  private async watch(version: number, signal: AbortSignal): Promise<Followed> {
    // Watch before counting. Otherwise a report in between would be missed.
    const changes = this.store.watch(prefix, { signal });
    let followed = await this.count(version);
    if (followed.late === 0) return followed;
    for await (const _ of changes) {
      followed = await this.count(version);
      if (followed.late === 0) return followed;
    }
    return followed;
  }

  private async count(version: number): Promise<Followed> {
    let [listeners, late] = [0, 0];
    for await (const { value } of this.store.listAll(prefix)) {
      if ((storedListener.safeParse(value).data?.version ?? 0) >= version) listeners += 1;
      else late += 1;
    }
    return { listeners, late };
  }
}
