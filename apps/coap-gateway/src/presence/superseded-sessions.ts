import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { PeriodicWork } from '@sallyport/concurrency';
import { deviceId, ocfUuidOf } from '@sallyport/protocol';
import type { Entry, Operation, Store } from '@sallyport/store';
import { z } from 'zod';
import type { DeviceSession } from '../sessions/device-session.js';
import type { SignedInDevices } from '../sessions/signed-in-devices.js';
import type { PresenceRecord } from './presence-record.js';

const prefix = 'presence/superseded/';
const entry = z.strictObject({ deviceId, connectionId: z.string() });

// Long enough for a replica whose connection to the store was lost.
const keptSeconds = 60;
const retryMs = 1_000;

/** The operation that tells the replica with the older connection of a device to close it. */
export function supersededOperation({ deviceId: device, connectionId }: PresenceRecord): Operation {
  const value = { deviceId: device, connectionId };
  return { put: prefix + connectionId, value, ttlSeconds: keptSeconds };
}

export interface SupersededSessionsParts {
  readonly store: Store;
  /** Of this process. */
  readonly sessions: Pick<SignedInDevices, 'find'>;
  /** Ends a session whose device has signed in anew elsewhere. */
  readonly supersede: (session: DeviceSession) => void;
  readonly onFault: (fault: unknown) => void;
}

/** Closes connections of this process whose device has signed in at another replica since. */
export class SupersededSessions implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly following: PeriodicWork;

  constructor(private readonly parts: SupersededSessionsParts) {
    const { onFault: onError } = parts;
    this.following = new PeriodicWork({ everyMs: retryMs, work: (signal) => this.follow(signal), onError });
  }

  onApplicationBootstrap(): void {
    this.following.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.following.stop();
  }

  private async follow(signal: AbortSignal): Promise<void> {
    const { store } = this.parts;
    // Watch before reading. Otherwise what comes in between would not be noticed.
    const changes = store.watch(prefix, { signal });
    for await (const told of store.listAll(prefix)) this.end(told);
    for await (const change of changes) if (change.type === 'put') this.end(change.entry);
  }

  private end({ value }: Entry): void {
    const { data: told } = entry.safeParse(value);
    const device = told && ocfUuidOf(told.deviceId);
    const session = device && this.parts.sessions.find(device);
    if (session !== undefined && session.connectionId === told?.connectionId) this.parts.supersede(session);
  }
}
