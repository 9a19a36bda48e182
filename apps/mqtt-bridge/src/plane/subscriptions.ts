import { SerialQueue } from '@sallyport/concurrency';
import { reasonCodes } from '@sallyport/mqtt-wire';
import type { BridgeClock, BridgeLimits, BridgeNotice, SideName } from './bridge-types.js';
import type { BrokerConnection } from './broker-connection.js';

// AWS IoT Core takes 8 filters a SUBSCRIBE, and disconnects for more.
const filtersOfPacket = 8;

export interface SubscriptionsOptions {
  readonly side: SideName;
  readonly limits: BridgeLimits;
  readonly clock: BridgeClock;
  readonly onNotice: (notice: BridgeNotice) => void;
}

/** What the bridge has subscribed to at one broker. It outlives connections, as the session there does. */
export class Subscriptions {
  /** Filters that the broker has in our session, as far as this process knows. */
  private readonly confirmed = new Set<string>();
  /** Of these, filters whose retained messages nobody has read. */
  private readonly unheard = new Set<string>();
  private readonly queue = new SerialQueue();

  constructor(private readonly options: SubscriptionsOptions) {}

  /** The broker begins with an empty session. */
  forget(): void {
    this.confirmed.clear();
    this.unheard.clear();
  }

  /** Whether the broker has these filters and no others, as far as this process knows. */
  isExactly(wanted: readonly string[]): boolean {
    return new Set(wanted).size === this.confirmed.size && wanted.every((filter) => this.confirmed.has(filter));
  }

  /** As `become`, over a connection whose messages nobody reads. `become` asks for the retained ones again. */
  async becomeUnheard(wanted: readonly string[], connection: BrokerConnection): Promise<void> {
    // A session that an earlier process has left may have them since long.
    const isKnown = !connection.peer.isResumed || this.confirmed.size > 0;
    const before = new Set(this.confirmed);
    await this.change(wanted, connection, (filter) => !before.has(filter));
    if (!isKnown) return;
    for (const filter of this.confirmed) if (!before.has(filter)) this.unheard.add(filter);
  }

  /**
   * Subscribes to what is missing, then unsubscribes from what is no longer wanted. Changes are made one after the
   * other.
   *
   * @returns when the broker has answered for each filter, or not after all rounds
   */
  become(wanted: readonly string[], connection: BrokerConnection): Promise<void> {
    const { confirmed, unheard } = this;
    return this.change(wanted, connection, (filter) => !confirmed.has(filter) || unheard.has(filter));
  }

  private change(
    wanted: readonly string[],
    connection: BrokerConnection,
    isMissing: (filter: string) => boolean,
  ): Promise<void> {
    return this.queue.run(async () => {
      await this.subscribe(wanted.filter(isMissing), connection);
      const stale = [...this.confirmed].filter((filter) => !wanted.includes(filter));
      for (const filters of groups(stale)) await this.unsubscribe(filters, connection);
    });
  }

  private async unsubscribe(filters: readonly string[], connection: BrokerConnection): Promise<void> {
    if (connection.isOver) return;
    await Promise.race([connection.requests.unsubscribe(filters), connection.ended]);
    if (!connection.isOver) for (const filter of filters) this.drop(filter);
  }

  private drop(filter: string): void {
    this.confirmed.delete(filter);
    this.unheard.delete(filter);
  }

  private async subscribe(missing: readonly string[], connection: BrokerConnection): Promise<void> {
    const { limits, onNotice, side } = this.options;
    const open = new Set(missing);
    for (let round = 0; round < limits.subscribeRounds && open.size > 0 && !connection.isOver; round += 1)
      await this.round(open, connection);
    if (open.size > 0 && !connection.isOver) onNotice({ kind: 'subscription-unconfirmed', side, filters: [...open] });
  }

  /** Asks for all filters that are open, and waits for the answers until the deadline. */
  private async round(open: Set<string>, connection: BrokerConnection): Promise<void> {
    const { clock, limits } = this.options;
    const answers = groups([...open]).map(async (filters) => {
      const codes = await connection.requests.subscribe(filters, this.unheard);
      for (const [place, filter] of filters.entries()) this.settle(filter, codes[place] ?? 0x80, open);
    });
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(limits.subscribeDeadlineMs, resolve);
    });
    await Promise.race([Promise.all(answers), late, connection.ended]);
    cancel();
  }

  private settle(filter: string, reasonCode: number, open: Set<string>): void {
    const { side, onNotice } = this.options;
    open.delete(filter);
    this.unheard.delete(filter);
    if (reasonCode < 0x80) this.confirmed.add(filter);
    else onNotice({ kind: 'subscription-refused', side, filter, reasonCode });
    if (reasonCode === reasonCodes.success) onNotice({ kind: 'delivery-not-promised', side, filter });
  }
}

function groups(filters: readonly string[]): string[][] {
  return Array.from({ length: Math.ceil(filters.length / filtersOfPacket) }, (_, index) =>
    filters.slice(index * filtersOfPacket, (index + 1) * filtersOfPacket),
  );
}
