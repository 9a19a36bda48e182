import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { CoapError, type CoapResponse } from '@sallyport/coap-wire';
import { PeriodicWork } from '@sallyport/concurrency';
import { ocfDeviceId, ocfUuidOf } from '@sallyport/protocol';
import { Clock, FaultLog, Log } from '@sallyport/runtime';
import { Store } from '@sallyport/store';
import type { Micros } from '@sallyport/twin';
import { DeviceOwners } from '../../sessions/device-owners.js';
import type { DeviceSession } from '../../sessions/device-session.js';
import { LinkDirectory, linkPrefix } from '../links/link-directory.js';
import { type KeptValue, KeptValues } from '../values/kept-values.js';
import type { Target } from './target.js';

const mostOfSession = 64;
const retryMs = 1_000;

// RFC 7641 §3.4 asks for growing numbers; this is where plgd's gateway begins.
const firstSequence = 3;

interface ObserverOptions {
  readonly session: DeviceSession;
  readonly target: Target;
  readonly token: Buffer;
}

interface FollowOptions {
  readonly sinceMicros: Micros;
  readonly write: (value: KeptValue) => CoapResponse;
}

/** A device that observes a resource of another one. */
export class Observer {
  private readonly ended = new AbortController();
  private sequence = firstSequence;

  constructor(
    readonly options: ObserverOptions,
    private readonly values: KeptValues,
    private readonly onEnd: () => void,
  ) {
    options.session.signal.addEventListener('abort', this.end, { once: true });
  }

  /** @returns the first answer, as one that notifications follow */
  follow(first: CoapResponse, options: FollowOptions): CoapResponse {
    if (this.ended.signal.aborted) throw new CoapError('5.03', 'the observed resource is gone');
    void this.notifyChanges(options).catch(() => this.stop());
    return { ...first, observe: this.sequence };
  }

  readonly end = (): void => {
    this.options.session.signal.removeEventListener('abort', this.end);
    this.ended.abort();
    this.onEnd();
  };

  /** Tells the device that nothing more comes (RFC 7641 §4.2). */
  stop(): void {
    if (this.ended.signal.aborted) return;
    const { session, token } = this.options;
    session.endpoint.notify(token, { code: '5.03', payload: Buffer.from('the observed resource is gone') });
    this.end();
  }

  private async notifyChanges({ sinceMicros, write }: FollowOptions): Promise<void> {
    const { session, target, token } = this.options;
    const { signal } = this.ended;
    let lastMicros = sinceMicros;
    while (!signal.aborted) {
      const value = await this.values.change(ocfDeviceId(target.device), target.href, {
        sinceMicros: lastMicros,
        signal,
      });
      if (value === undefined) return;
      lastMicros = value.atMicros;
      this.sequence = (this.sequence + 1) % 0x100_0000;
      if (!session.endpoint.notify(token, { ...write(value), observe: this.sequence })) return this.end();
    }
  }
}

/** Devices that observe others. Each observer ends with its session, with the resource, or when the owner changes. */
@Injectable()
export class Observers implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly observers = new Map<DeviceSession, Map<string, Observer>>();
  private readonly following: PeriodicWork;

  constructor(
    private readonly store: Store,
    private readonly links: LinkDirectory,
    private readonly owners: DeviceOwners,
    private readonly values: KeptValues,
    log: Log,
    clock: Clock,
  ) {
    const { note: onError } = new FaultLog(log, clock, 'links of other replicas are not heard, will try again');
    this.following = new PeriodicWork({ everyMs: retryMs, work: (signal) => this.follow(signal), onError });
  }

  onApplicationBootstrap(): void {
    this.following.start();
    this.owners.onChange((change) => void this.review(change === 'resynchronise' ? undefined : change.deviceId));
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.following.stop();
  }

  /** @throws CoapError `4.00`: the token is in use; `4.29`: the device observes too much */
  begin(session: DeviceSession, { target, token }: Omit<ObserverOptions, 'session'>): Observer {
    const ofSession = this.observers.get(session) ?? new Map<string, Observer>();
    const key = token.toString('hex');
    if (ofSession.has(key)) throw new CoapError('4.00', 'the token has an observation already');
    if (ofSession.size >= mostOfSession) throw new CoapError('4.29', `more than ${mostOfSession} observations`);
    const observer = new Observer({ session, target, token }, this.values, () => {
      if (ofSession.get(key) === observer) ofSession.delete(key);
      if (ofSession.size === 0) this.observers.delete(session);
    });
    this.observers.set(session, ofSession.set(key, observer));
    // The session may have ended while the request was on its way.
    if (session.signal.aborted) observer.end();
    return observer;
  }

  /** @returns false: there is none with this token */
  end(session: DeviceSession, token: Buffer): boolean {
    const observer = this.observers.get(session)?.get(token.toString('hex'));
    observer?.end();
    return observer !== undefined;
  }

  private async follow(signal: AbortSignal): Promise<void> {
    // Watch before reading. Otherwise what comes in between would not be noticed.
    const changes = this.store.watch(linkPrefix, { signal });
    await this.review(undefined);
    for await (const change of changes) {
      const key = change.type === 'put' ? change.entry.key : change.key;
      await this.review(`uuid:${key.slice(linkPrefix.length)}`);
    }
  }

  /** Ends the observers of a device whose resource is gone, or that has another owner now. @param name undefined: all */
  private async review(name: string | undefined): Promise<void> {
    const device = name === undefined ? undefined : ocfUuidOf(name);
    for (const observer of this.all())
      if (name === undefined || observer.options.target.device === device)
        if (!(await this.holds(observer.options).catch(() => false))) observer.stop();
  }

  private all(): Observer[] {
    return [...this.observers.values()].flatMap((ofSession) => [...ofSession.values()]);
  }

  private async holds({ session, target }: ObserverOptions): Promise<boolean> {
    const { device, href } = target;
    if ((await this.links.find(device, href)) === undefined) return false;
    return this.owners.isOwner({ deviceId: ocfDeviceId(device), owner: session.owner });
  }
}
