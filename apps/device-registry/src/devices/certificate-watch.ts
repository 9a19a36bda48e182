import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { PeriodicWork } from '@sallyport/concurrency';
import { expiryWarningDays } from '@sallyport/protocol';
import { Clock, Log } from '@sallyport/runtime';
import { type JsonValue, type Operation, Store } from '@sallyport/store';
import { Timeline } from '@sallyport/timeline';
import { z } from 'zod';
import { dayMs, type WarningDays, warningDays, warningFor } from '../expiry/expiry-warning.js';
import { type DeviceRecord, lastingCertificateOf } from './device-record.js';
import { Devices } from './devices.js';
import { DeviceDirectory } from './index/device-directory.js';

const lookEveryMs = 10 * 60_000;
const devicesAtOnce = 100;
const watchKey = 'certificate-watch';

const watchRound = z.strictObject({
  until: z.iso.datetime(),
  days: warningDays,
  /** The last device that was looked at, in lower case. */
  after: z.string().optional(),
});

const watchState = z.strictObject({
  /** Every warning that was due until then has been given. */
  through: z.iso.datetime(),
  /** The day of the last line in the log. */
  countedOn: z.iso.date().optional(),
  /** Warnings that are being given. */
  round: watchRound.optional(),
});
type WatchState = z.infer<typeof watchState>;
type WatchRound = z.infer<typeof watchRound>;

interface StoredWatch extends WatchState {
  readonly revision: number;
}

/**
 * Warns of the end of device certificates: an event `certificate_expiring` in the timeline of each device, and a line
 * with counts in the log once a day. It remembers until when all warnings are given, and not which device has got one:
 * a fleet of a million takes one entry. Key: `certificate-watch`.
 */
@Injectable()
export class CertificateWatch implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly looking: PeriodicWork;

  constructor(
    private readonly store: Store,
    private readonly devices: Devices,
    private readonly directory: DeviceDirectory,
    private readonly timeline: Timeline,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.looking = new PeriodicWork({
      everyMs: lookEveryMs,
      work: (signal) => this.look(signal),
      onError: (error) => this.log.warn({ error }, 'ends of device certificates could not be looked at'),
    });
  }

  onApplicationBootstrap(): void {
    this.looking.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.looking.stop();
  }

  /** Gives the warnings that are due. Of several replicas one gives each. */
  async look(signal?: AbortSignal): Promise<void> {
    while (!this.directory.isComplete && signal?.aborted !== true) await this.directory.settle();
    let goesOn = true;
    while (goesOn && signal?.aborted !== true) goesOn = await this.step();
    if (signal?.aborted !== true) await this.count();
  }

  /** Looks at some devices. False: nothing is left to do, or another replica does it. */
  private async step(): Promise<boolean> {
    const watch = await this.read();
    const round = watch.round ?? this.nextRound(watch);
    if (round === undefined) return false;
    const names = await this.directory.find(windowOf(watch, round), { after: round.after, limit: devicesAtOnce });
    const records = (await this.devices.some(names)).map(({ record }) => record);
    const after = names.length < devicesAtOnce ? undefined : names.at(-1);
    const events = records.flatMap((record) => this.warn(record, round));
    return this.commit({ ...watch, ...continued(watch, { ...round, after }) }, events);
  }

  private warn(record: DeviceRecord, { days, until }: WatchRound): Operation[] {
    const certificate = lastingCertificateOf(record);
    if (certificate === undefined || record.kind !== 'device' || record.state !== 'active') return [];
    const { notBefore, notAfter, fingerprint } = certificate;
    // A certificate for 90 days would be warned of at its first contact, and one for 7 days always.
    const isShort = Date.parse(notAfter) - Date.parse(notBefore) < 2 * days * dayMs;
    if (isShort || warningFor(notAfter, new Date(until)) !== days) return [];
    const { deviceId: device, connector } = record;
    return this.timeline.record({
      type: 'certificate_expiring',
      device,
      ...(connector === undefined ? {} : { connector }),
      fingerprint,
      payload: { days, notAfter },
    });
  }

  private async count(): Promise<void> {
    const now = this.clock.now();
    const today = now.toISOString().slice(0, 10);
    const watch = await this.read();
    if (watch.countedOn === today) return;
    const counts = await this.directory.expiring(now);
    const isFirst = await this.commit({ ...watch, countedOn: today });
    // Certificates of 30 and of 90 days are renewed with more than a week left. What has less is late.
    if (isFirst) this.log[counts.days7 > 0 ? 'warn' : 'info'](counts, 'device certificates that end soon');
  }

  private nextRound({ through }: WatchState): WatchRound | undefined {
    // Certificates end at whole seconds.
    const until = Math.floor(this.clock.now().getTime() / 1000) * 1000;
    return until <= Date.parse(through)
      ? undefined
      : { until: new Date(until).toISOString(), days: expiryWarningDays[0] };
  }

  private async read(): Promise<StoredWatch> {
    const entry = await this.store.get(watchKey);
    const stored = watchState.safeParse(entry?.value).data ?? { through: new Date(0).toISOString() };
    const revision = entry?.revision ?? 0;
    const now = this.clock.now();
    // The clock was wrong, and has been set back.
    if (Date.parse(stored.through) <= now.getTime() + dayMs) return { ...stored, revision };
    return { through: now.toISOString(), revision };
  }

  private async commit({ revision, ...state }: StoredWatch, events: readonly Operation[] = []): Promise<boolean> {
    const value: JsonValue = watchState.parse(state);
    const compares = [{ key: watchKey, revision }];
    return (await this.store.transaction(compares, [{ put: watchKey, value }, ...events])).committed;
  }
}

/** The devices for which one of the warnings came due since the last round. */
function windowOf({ through }: WatchState, { until, days }: WatchRound) {
  const shifted = (moment: string) => new Date(Date.parse(moment) + days * dayMs).toISOString();
  return { state: 'active' as const, expiresSince: shifted(through), expiresBefore: shifted(until) };
}

/** What is left of a round: more devices, else the next warning, else nothing. */
function continued({ through }: WatchState, { until, days, after }: WatchRound) {
  if (after !== undefined) return { through, round: { until, days, after } };
  const next: WarningDays | undefined = expiryWarningDays[expiryWarningDays.indexOf(days) + 1];
  return next === undefined ? { through: until, round: undefined } : { through, round: { until, days: next } };
}
