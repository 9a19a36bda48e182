import { pause, within } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import type { Store } from '@sallyport/store';
import { z } from 'zod';

/** How fast things go, in milliseconds but for the lifetime. */
export interface LeasePace {
  /** How long a replica that says nothing any more keeps the lease. */
  readonly lifetimeSeconds: number;
  /** The holder says so often that it is alive. */
  readonly renewEveryMs: number;
  /** A holder that could not renew for so long stops, before another replica can start. */
  readonly giveUpAfterMs: number;
  /** So often a replica that waits looks whether the lease is free. */
  readonly lookEveryMs: number;
}

const usualPace: LeasePace = { lifetimeSeconds: 15, renewEveryMs: 4_000, giveUpAfterMs: 11_000, lookEveryMs: 2_000 };

const leaseValue = z.object({ holder: z.string() });

export interface BridgeLeaseOptions {
  readonly store: Store;
  /** What only one replica may do at a time. */
  readonly name: string;
  /** Names this replica. The same after a restart, so that it need not wait for itself. */
  readonly holder: string;
  /** Called when this replica has the lease. */
  readonly onHeld: () => Promise<void>;
  /** Called when it may have lost it. What it did under the lease has ended when the promise resolves. */
  readonly onLost: () => Promise<void>;
  /** The store does not answer, or what was called has failed. It is tried again. */
  readonly onFault: (fault: unknown) => void;
  readonly pace?: LeasePace;
}

/**
 * Lets one of several replicas do something, and another one when that replica is gone: an entry of the store that its
 * holder renews. Without it, two bridges with one client id would end each other's session again and again.
 */
export class BridgeLease {
  private readonly stopping = new AbortController();
  private readonly firstLook = Promise.withResolvers<void>();
  private running: Promise<void> | undefined;
  /** Of the entry as we wrote it; undefined without the lease. */
  private revision: number | undefined;
  private renewedMs = 0;

  constructor(private readonly options: BridgeLeaseOptions) {}

  get isHeld(): boolean {
    return this.revision !== undefined;
  }

  /** Resolves when it is known whether the lease was free at the start. */
  get hasLooked(): Promise<void> {
    return this.firstLook.promise;
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Ends what was done under the lease, and gives it to the next replica at once. Safe to call twice. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const { onFault } = this.options;
    while (!signal.aborted) {
      await this.step().catch(onFault);
      this.firstLook.resolve();
      await pause(this.pauseMs, { signal, ref: false });
    }
    await this.release().catch(onFault);
  }

  private async step(): Promise<void> {
    if (this.revision === undefined) {
      if (await this.acquire()) await this.begin();
    } else await this.renew(this.revision);
  }

  /** A replica that cannot start gives the lease back: another one may be able to, and this one tries again. */
  private async begin(): Promise<void> {
    try {
      await this.options.onHeld();
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  private async acquire(): Promise<boolean> {
    const { store, holder } = this.options;
    const askedMs = performance.now();
    const entry = await this.inTime(store.get(this.key));
    if (entry !== undefined && leaseValue.safeParse(entry.value).data?.holder !== holder) return false;
    return this.write(entry?.revision ?? 0, askedMs);
  }

  /** The holder stops before the entry can be gone. While the store is away for all, nobody else gets the lease. */
  private async renew(revision: number): Promise<void> {
    try {
      if (await this.write(revision, performance.now())) return;
      // A write whose answer was lost has another revision, and is ours.
      if (await this.acquire()) return;
      await this.lose();
    } catch (error) {
      if (this.leftMs < 1) await this.lose();
      throw error;
    }
  }

  /** Until a holder that does not renew has to stop. */
  private get leftMs(): number {
    return this.renewedMs + this.pace.giveUpAfterMs - performance.now();
  }

  private get pauseMs(): number {
    const { renewEveryMs, lookEveryMs } = this.pace;
    return this.isHeld ? Math.min(renewEveryMs, Math.max(this.leftMs, 0)) : lookEveryMs;
  }

  /** A holder does not wait for a store that is silent beyond the moment when it has to stop. */
  private inTime<Result>(asked: Promise<Result>): Promise<Result> {
    if (!this.isHeld) return asked;
    const late = () => new Problem('unavailable', 'The store did not answer in time.');
    return within(asked, Math.max(this.leftMs, 0), { late });
  }

  /** @returns false when the entry has changed meanwhile */
  private async write(ifRevision: number, askedMs: number): Promise<boolean> {
    const { store, holder } = this.options;
    try {
      const put = store.put(this.key, { holder }, { ifRevision, ttlSeconds: this.pace.lifetimeSeconds });
      this.revision = await this.inTime(put);
      this.renewedMs = askedMs;
      return true;
    } catch (error) {
      if (error instanceof Problem && error.type === 'conflict') return false;
      throw error;
    }
  }

  private async lose(): Promise<void> {
    this.revision = undefined;
    await this.options.onLost();
  }

  private async release(): Promise<void> {
    const { revision } = this;
    if (revision === undefined) return;
    await this.lose();
    await this.options.store.delete(this.key, { ifRevision: revision });
  }

  private get pace(): LeasePace {
    return this.options.pace ?? usualPace;
  }

  private get key(): string {
    return `lease/${this.options.name}`;
  }
}
