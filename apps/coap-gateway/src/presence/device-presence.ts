import {
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { BoundedMap, KeyedSerialQueue, PeriodicWork } from '@sallyport/concurrency';
import type { DeviceId } from '@sallyport/protocol';
import { type Clock, FaultLog, type Log } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import type { DeviceSession } from '../sessions/device-session.js';
import type { SignedInDevices } from '../sessions/signed-in-devices.js';
import type { GatewayLease } from './gateway-lease.js';
import { onlinePrefix } from './presence-record.js';
import type { PresenceRecords, Transition } from './presence-records.js';

export interface DevicePresenceParts {
  readonly records: PresenceRecords;
  readonly lease: GatewayLease;
  /** Of this process. */
  readonly sessions: Pick<SignedInDevices, 'all'>;
  /** Ends a session whose device has signed in anew elsewhere. */
  readonly supersede: (session: DeviceSession) => void;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** How often this process gives a sign of life, and looks for others that give none. */
  readonly renewMs: number;
}

/** What could not be written yet. */
interface Unwritten {
  readonly transition: Transition;
  readonly session: DeviceSession;
}

const pageSize = 200;
const mostUnwritten = 20_000;

/**
 * Which devices are online, in the store: the same for every replica. A device is online from its sign-in until its
 * sign-out or the end of the connection. When a gateway process dies, another one or the next one sets its devices
 * offline; at most the lifetime of its lease and one round of `renewMs` later.
 *
 * A session does not wait for any of it.
 */
export class DevicePresence implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown {
  private readonly queues = new KeyedSerialQueue<DeviceId>();
  private readonly unwritten = new BoundedMap<DeviceId, Unwritten>(mostUnwritten);
  /** When each session began, as ISO 8601. */
  private readonly since = new WeakMap<DeviceSession, string>();
  private readonly faults: FaultLog;
  private readonly rounds: PeriodicWork;

  constructor(private readonly parts: DevicePresenceParts) {
    const { log, clock, renewMs } = parts;
    this.faults = new FaultLog(log, clock, 'presence of devices could not be written, will try again');
    this.rounds = new PeriodicWork({ everyMs: renewMs, work: () => this.round(), onError: this.faults.note });
  }

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** By now every connection has ended. What the sessions did not tell is told here. */
  async onApplicationShutdown(): Promise<void> {
    try {
      await this.idle();
      await this.clear(this.parts.lease.id, 'gateway-stopped');
    } catch (error) {
      this.faults.note(error);
    }
  }

  /** A device has signed in. Told again for the same connection, it changes nothing. Never throws. */
  online(session: DeviceSession, when: 'now' | 'again' = 'now'): void {
    const { deviceId, owner, remoteAddress, connectionId } = session;
    const at = this.since.get(session) ?? this.now();
    this.since.set(session, at);
    const transition = { type: 'connect', deviceId, owner, remoteAddress, connectionId, at } as const;
    this.tell(when === 'now' ? transition : repeated(transition), session);
  }

  /** Its session has ended. It stays online when a newer connection is. Never throws. */
  offline(session: DeviceSession): void {
    const { deviceId, connectionId } = session;
    this.tell({ type: 'disconnect', deviceId, connectionId, at: this.now() }, session);
  }

  /** Resolves when everything told so far is written, or has failed. */
  idle(): Promise<void> {
    return this.queues.idle();
  }

  /** Gives a sign of life, writes what could not be written before, and sets the devices of dead processes offline. */
  async round(): Promise<void> {
    const wasKept = await this.parts.lease.renew();
    // Somebody took this process for dead, and may have set its devices offline.
    if (!wasKept) for (const session of this.parts.sessions.all) this.online(session, 'again');
    for (const [, { transition, session }] of this.unwritten) this.tell(repeated(transition), session);
    // First the devices of this process: otherwise some of them would be offline for a moment.
    await this.idle();
    for await (const id of this.parts.lease.dead()) await this.clear(id, 'gateway-lost');
  }

  private tell(transition: Transition, session: DeviceSession): void {
    const { deviceId } = transition;
    void this.queues.run(deviceId, async () => {
      // Whatever could not be written before is out of date now.
      this.unwritten.delete(deviceId);
      try {
        await this.parts.lease.require();
        const outcome = await this.parts.records.write(transition, this.parts.lease.id);
        if (outcome === 'superseded') this.parts.supersede(session);
      } catch (error) {
        this.unwritten.set(deviceId, { transition, session });
        this.faults.note(error);
      }
    });
  }

  /** Sets every device of a gateway process offline that is still online there, and forgets the process. */
  private async clear(gateway: string, reason: string): Promise<void> {
    const prefix = onlinePrefix(gateway);
    for await (const entries of this.parts.store.listPages(prefix, { pageSize })) {
      const marks = entries.map(({ key }) => key.slice(prefix.length));
      await Promise.all(marks.map((mark) => this.parts.records.clear(mark, { gateway, reason, at: this.now() })));
    }
    await this.parts.lease.remove(gateway);
  }

  private now(): string {
    return this.parts.clock.now().toISOString();
  }
}

/** The same, told late: the device may have signed in anew elsewhere since. */
function repeated(transition: Transition): Transition {
  return transition.type === 'connect' ? { ...transition, isRepeated: true } : transition;
}
