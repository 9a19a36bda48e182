import { Injectable } from '@nestjs/common';
import { KeyedSerialQueue, TokenBucket } from '@sallyport/concurrency';
import type { ConnectorDocument, ConnectorName } from '@sallyport/protocol';
import { Clock, Log } from '@sallyport/runtime';
import { type CensusScope, DeviceCensus } from './device-census.js';
import { Refusal } from './refusal.js';
import type { Voucher } from './voucher.js';

// A count is good for so long, plus what this process has let in since. A full one is counted again sooner, because
// devices may be gone.
const countLifetimeMs = { withRoom: 60_000, full: 10_000 };
const warningRate = { burst: 1, perSecond: 1 / 60 };

interface Rate {
  readonly perMinute: number;
  readonly bucket: TokenBucket;
}

interface Count {
  /** Devices that are in, by their last count and those let in since. */
  devices: number;
  readonly countedAtMs: number;
}

interface Quota {
  readonly scope: CensusScope;
  readonly most: number;
}

/**
 * Limits how many new devices a connector, or a Client CA, takes. Somebody who has stolen the key of a Client CA can make
 * any number of names.
 *
 * A quota is exact in one registry. Several replicas count apart, so together they may let in a few more: those that come
 * within a minute.
 */
@Injectable()
export class NewcomerLimits {
  private readonly queue = new KeyedSerialQueue();
  private readonly rates = new Map<ConnectorName, Rate>();
  private readonly counts = new Map<string, Count>();
  private readonly warnings: TokenBucket;

  constructor(
    private readonly census: DeviceCensus,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.warnings = new TokenBucket(warningRate, clock.now().getTime());
  }

  /** Whether anything is counted at this connector. */
  hasQuota({ settings, clientCas }: ConnectorDocument): boolean {
    return settings.quota.devices !== undefined || clientCas.some(({ quota }) => quota !== undefined);
  }

  /** Runs a registration after those of the same connector that came before. */
  inTurn<Result>({ name }: ConnectorDocument, register: () => Promise<Result>): Promise<Result> {
    return this.queue.run(name, register);
  }

  /**
   * Looks for room. The caller calls `letIn` when the device is registered.
   *
   * @throws Refusal `quota-reached`, `too-many-new-devices`
   */
  async requireRoom(connector: ConnectorDocument, voucher: Voucher | undefined): Promise<void> {
    const quotas = quotasOf(connector, voucher);
    for (const quota of quotas) if (!(await this.hasRoom(quota))) this.refuse('quota-reached', connector);
    const { newPerMinute } = connector.settings.quota;
    const nowMs = this.clock.now().getTime();
    if (newPerMinute !== undefined && !this.rateOf(connector.name, newPerMinute).bucket.take(nowMs))
      this.refuse('too-many-new-devices', connector);
  }

  /** Counts a device that was registered. */
  letIn(connector: ConnectorDocument, voucher: Voucher | undefined): void {
    for (const { scope } of quotasOf(connector, voucher)) {
      const count = this.counts.get(keyOf(scope));
      if (count !== undefined) count.devices += 1;
    }
  }

  private async hasRoom({ scope, most }: Quota): Promise<boolean> {
    const nowMs = this.clock.now().getTime();
    const known = this.counts.get(keyOf(scope));
    const isFull = known !== undefined && known.devices >= most;
    const lifetimeMs = isFull ? countLifetimeMs.full : countLifetimeMs.withRoom;
    if (known !== undefined && Math.abs(nowMs - known.countedAtMs) < lifetimeMs) return !isFull;
    const devices = await this.census.count(scope);
    this.counts.set(keyOf(scope), { devices, countedAtMs: nowMs });
    return devices < most;
  }

  private rateOf(name: ConnectorName, perMinute: number): Rate {
    const known = this.rates.get(name);
    if (known?.perMinute === perMinute) return known;
    const bucket = new TokenBucket({ burst: perMinute, perSecond: perMinute / 60 }, this.clock.now().getTime());
    const rate = { perMinute, bucket };
    this.rates.set(name, rate);
    return rate;
  }

  private refuse(reason: 'quota-reached' | 'too-many-new-devices', { name }: ConnectorDocument): never {
    if (this.warnings.take(this.clock.now().getTime()))
      this.log.warn({ connector: name, reason }, 'new devices are turned away; the key of a Client CA may be stolen');
    throw new Refusal(reason);
  }
}

function quotasOf({ name, settings }: ConnectorDocument, voucher: Voucher | undefined): Quota[] {
  const quotas: Quota[] = [];
  if (settings.quota.devices !== undefined) quotas.push({ scope: { connector: name }, most: settings.quota.devices });
  if (voucher?.by === 'client-ca' && voucher.clientCa.quota !== undefined)
    quotas.push({ scope: { authority: voucher.clientCa.id }, most: voucher.clientCa.quota });
  return quotas;
}

function keyOf(scope: CensusScope): string {
  return 'connector' in scope ? `connector ${scope.connector}` : `authority ${scope.authority}`;
}
