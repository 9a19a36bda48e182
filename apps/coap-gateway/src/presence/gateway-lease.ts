import { randomUUID } from 'node:crypto';
import { SerialQueue } from '@sallyport/concurrency';
import type { Clock } from '@sallyport/runtime';
import type { Operation, Store } from '@sallyport/store';
import { z } from 'zod';

const gatewayEntry = z.strictObject({ replica: z.string(), since: z.iso.datetime() });
const gatewayPrefix = 'presence/gateway/';

const gatewayKey = (id: string): string => gatewayPrefix + id;
const leaseKey = (id: string): string => `presence/lease/${id}`;

export interface GatewayLeaseOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Names this replica, the same after a restart. */
  readonly replica: string;
  /** How long the lease lives without a renewal. */
  readonly ttlSeconds: number;
}

/**
 * Says which gateway processes are alive. Each has an id of its own, and an entry that goes away when it is not renewed.
 * A process whose entry has gone away takes a new id, so that nothing that is being done about the old one concerns it.
 */
export class GatewayLease {
  private current = randomUUID();
  private revision: number | undefined;
  /** The former id was lost, and the caller does not know yet. */
  private isLost = false;
  // The devices of a whole site may come at once: they must not all take it.
  private readonly turns = new SerialQueue();

  constructor(private readonly options: GatewayLeaseOptions) {}

  /** Names this process, until its lease is lost. */
  get id(): string {
    return this.current;
  }

  /** Takes the lease if this process has none yet. @throws Problem as the store does */
  async require(): Promise<void> {
    if (this.revision === undefined) await this.turns.run(async () => this.revision ?? (await this.take()));
  }

  /**
   * Keeps the lease alive.
   *
   * @returns false when it had been lost: now the process has another id
   * @throws Problem as the store does
   */
  renew(): Promise<boolean> {
    return this.turns.run(() => this.renewNow());
  }

  /** The processes whose lease has gone away. */
  async *dead(): AsyncGenerator<string> {
    const { store } = this.options;
    for await (const { key } of store.listAll(gatewayPrefix)) {
      const id = key.slice(gatewayPrefix.length);
      if (id !== this.current && (await store.get(leaseKey(id))) === undefined) yield id;
    }
  }

  /** Forgets a process that has no devices any more. */
  async remove(id: string): Promise<void> {
    await this.options.store.transaction([], [{ delete: gatewayKey(id) }, { delete: leaseKey(id) }]);
    if (id === this.current) this.revision = undefined;
  }

  private async renewNow(): Promise<boolean> {
    if (this.revision !== undefined && !(await this.extend(this.revision))) {
      this.current = randomUUID();
      this.revision = undefined;
      this.isLost = true;
    }
    if (this.revision === undefined) await this.take();
    const wasKept = !this.isLost;
    this.isLost = false;
    return wasKept;
  }

  private async extend(revision: number): Promise<boolean> {
    const { store, replica, ttlSeconds } = this.options;
    const key = leaseKey(this.current);
    const outcome = await store.transaction([{ key, revision }], [{ put: key, value: replica, ttlSeconds }]);
    if (outcome.committed) this.revision = outcome.revision;
    return outcome.committed;
  }

  private async take(): Promise<void> {
    const { store, clock, replica, ttlSeconds } = this.options;
    const id = this.current;
    const operations: Operation[] = [
      ...(await this.leasesOfFormer()),
      { put: gatewayKey(id), value: { replica, since: clock.now().toISOString() } },
      { put: leaseKey(id), value: replica, ttlSeconds },
    ];
    // The lease comes last, so its revision is that of the transaction.
    this.revision = (await store.transaction([], operations)).revision;
  }

  /** This replica runs once. What ran under its name before is dead, though its lease may still live for a while. */
  private async leasesOfFormer(): Promise<Operation[]> {
    const { store, replica } = this.options;
    const operations: Operation[] = [];
    for await (const { key, value } of store.listAll(gatewayPrefix)) {
      const id = key.slice(gatewayPrefix.length);
      const isFormer = gatewayEntry.safeParse(value).data?.replica === replica && id !== this.current;
      if (isFormer) operations.push({ delete: leaseKey(id) });
    }
    return operations;
  }
}
