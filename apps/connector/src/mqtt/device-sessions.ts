import type { Duplex } from 'node:stream';
import { TokenBuckets } from '@sallyport/concurrency';
import { ClientLog, TurnBudgets, TurnWriter } from '@sallyport/mqtt-wire';
import type { DeviceId } from '@sallyport/protocol';
import type { ClientContact } from './client-contact.js';
import { DeviceSession, type SessionContext } from './device-session.js';
import { defaultSessionLimits, type SessionLimits } from './session-limits.js';
import { SessionCounters } from './session-work.js';

export interface DeviceSessionsOptions extends Pick<SessionContext, 'valuesOf'> {
  readonly limits?: Partial<SessionLimits>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onWarning: (text: string, fields: Readonly<Record<string, unknown>>) => void;
  /** A session of a device has begun. */
  readonly onConnect: (device: DeviceId, contact: ClientContact) => void;
  /** It has ended, whoever ended it. */
  readonly onDisconnect: (device: DeviceId, contact: ClientContact) => void;
}

// How often silent and slow clients are looked for, in milliseconds.
const checkEveryMs = 250;

// A device that starts anew, or whose network changes, takes its session over now and then. Two devices with one
// identity do it with every reconnect.
const takeOverRate = { burst: 10, perSecond: 0.2 };
const mostTakeOverKeys = 10_000;

/** The MQTT sessions of all devices at this process. A device has one at a time: the newest. */
export class DeviceSessions {
  readonly counters = new SessionCounters();
  private readonly served = new Map<DeviceSession, ClientContact>();
  private readonly sessionByDevice = new Map<DeviceId, DeviceSession>();
  private readonly takeOvers = new TokenBuckets<DeviceId>(takeOverRate, mostTakeOverKeys);
  private readonly budgets = new TurnBudgets();
  private readonly context: SessionContext;
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly options: DeviceSessionsOptions) {
    this.context = {
      limits: { ...defaultSessionLimits, ...options.limits },
      writer: new TurnWriter(),
      log: new ClientLog(options),
      counters: this.counters,
      valuesOf: options.valuesOf,
      takeOver: (device, session) => this.takeOver(device, session),
      left: (session) => this.leave(session),
      closed: (session) => void this.served.delete(session),
    };
    this.timer = setInterval(() => this.checkTimes(), checkEveryMs).unref();
  }

  /** Serves a connection until its end. */
  accept(stream: Duplex, contact: ClientContact): void {
    const owner = contact.deviceId ?? contact.network;
    stream.once('close', () => this.budgets.release(owner));
    const session = new DeviceSession(this.context, { stream, contact, budget: this.budgets.acquire(owner) });
    // A stream that was closed before has called back already.
    if (!stream.destroyed) this.served.set(session, contact);
  }

  /** Ends nothing: the entrance ends its connections. */
  stop(): void {
    clearInterval(this.timer);
  }

  private takeOver(device: DeviceId, session: DeviceSession): boolean {
    const former = this.sessionByDevice.get(device);
    if (former !== undefined) {
      if (!this.takeOvers.take(device, this.options.now())) return false;
      this.counters.takeOvers += 1;
      former.yield();
    }
    this.sessionByDevice.set(device, session);
    this.counters.sessions += 1;
    const contact = this.served.get(session);
    if (contact !== undefined) this.options.onConnect(device, contact);
    return true;
  }

  private leave(session: DeviceSession): void {
    const { device } = session;
    if (device === undefined || this.sessionByDevice.get(device) !== session) return;
    this.sessionByDevice.delete(device);
    this.counters.sessions -= 1;
    const contact = this.served.get(session);
    if (contact !== undefined) this.options.onDisconnect(device, contact);
  }

  private checkTimes(): void {
    const now = performance.now();
    for (const session of this.served.keys()) session.checkTime(now);
  }
}
