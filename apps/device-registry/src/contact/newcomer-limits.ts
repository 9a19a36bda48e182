import { Injectable } from '@nestjs/common';
import { KeyedSerialQueue, RepeatFilter, TokenBucket } from '@sallyport/concurrency';
import { type ConnectorDocument, type ConnectorName, type DeviceFilter, usualNewcomerRate } from '@sallyport/protocol';
import { Clock, Log } from '@sallyport/runtime';
import { DeviceDirectory } from '../devices/index/device-directory.js';
import type { AcceptedIssuer } from './accepted-issuer.js';
import { Refusal } from './refusal.js';

const warningPeriodMs = 60_000;

interface Rate {
  /** As set; undefined: the usual rate. */
  readonly perMinute: number | undefined;
  readonly bucket: TokenBucket;
}

/** How many devices there may be of those that a filter finds. */
interface Quota {
  readonly of: Pick<DeviceFilter, 'connector' | 'authority'>;
  readonly most: number;
}

/**
 * Limits how many new devices a connector, or a Client CA, takes. Somebody who has stolen the key of a Client CA can make
 * any number of names.
 *
 * A quota is exact in one registry. Replicas learn of each other's devices a moment later, so together they may let in a
 * few more when devices come at the same time.
 */
@Injectable()
export class NewcomerLimits {
  private readonly queue = new KeyedSerialQueue();
  private readonly rates = new Map<ConnectorName, Rate>();
  private readonly warnings = new RepeatFilter({ periodMs: warningPeriodMs, mostSources: 1 });

  constructor(
    private readonly directory: DeviceDirectory,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Whether anything is counted at this connector. */
  hasQuota({ settings, clientCas }: ConnectorDocument): boolean {
    return settings.quota.devices !== undefined || clientCas.some(({ quota }) => quota !== undefined);
  }

  /** Runs a registration after those of the same connector that came before. */
  inTurn<Result>({ name }: ConnectorDocument, register: () => Promise<Result>): Promise<Result> {
    return this.queue.run(name, register);
  }

  /**
   * @throws Refusal `quota-reached`, `too-many-new-devices`
   * @throws Problem `unavailable`: the registry has not read all its devices yet
   */
  async requireRoom(connector: ConnectorDocument, issuer: AcceptedIssuer | undefined): Promise<void> {
    for (const { of, most } of quotasOf(connector, issuer))
      if ((await this.directory.count(of)) >= most) this.refuse('quota-reached', connector);
    const { bucket } = this.rateOf(connector.name, connector.settings.quota.newPerMinute);
    if (!bucket.take(this.clock.now().getTime())) this.refuse('too-many-new-devices', connector);
  }

  private rateOf(name: ConnectorName, perMinute: number | undefined): Rate {
    const known = this.rates.get(name);
    if (known !== undefined && known.perMinute === perMinute) return known;
    const limit = perMinute === undefined ? usualNewcomerRate : { burst: perMinute, perSecond: perMinute / 60 };
    const rate = { perMinute, bucket: new TokenBucket(limit, this.clock.now().getTime()) };
    this.rates.set(name, rate);
    return rate;
  }

  private refuse(reason: 'quota-reached' | 'too-many-new-devices', { name }: ConnectorDocument): never {
    if (this.warnings.pass('newcomers', this.clock.now().getTime()) !== undefined)
      this.log.warn({ connector: name, reason }, 'new devices are turned away; the key of a Client CA may be stolen');
    throw new Refusal(reason);
  }
}

/** All devices count, whatever their state: one that is revoked still has its place. */
function quotasOf({ name, settings }: ConnectorDocument, issuer: AcceptedIssuer | undefined): Quota[] {
  const quotas: Quota[] = [];
  if (settings.quota.devices !== undefined) quotas.push({ of: { connector: name }, most: settings.quota.devices });
  if (issuer?.kind === 'client-ca' && issuer.clientCa.quota !== undefined)
    quotas.push({ of: { authority: issuer.clientCa.id }, most: issuer.clientCa.quota });
  return quotas;
}
