import { Injectable } from '@nestjs/common';
import { type OcfUuid, ocfDeviceId, type TwinSync as State } from '@sallyport/protocol';
import { Store } from '@sallyport/store';
import { z } from 'zod';
import { presenceOf, recordKey } from '../../presence/presence-record.js';
import type { DeviceSession } from '../../sessions/device-session.js';

const inSync = z.strictObject({ connectionId: z.string() });

/** Which devices have told all their values on the connection that they have now. Every replica sees the same. */
@Injectable()
export class TwinSync {
  constructor(private readonly store: Store) {}

  async reached({ device, connectionId }: DeviceSession): Promise<void> {
    await this.store.put(keyOf(device), { connectionId });
  }

  async of(device: OcfUuid): Promise<State> {
    const [entry, presence] = await Promise.all([
      this.store.get(keyOf(device)),
      this.store.get(recordKey(ocfDeviceId(device))),
    ]);
    const present = presenceOf(presence);
    if (present?.isOnline !== true) return 'out-of-sync';
    const { data } = inSync.safeParse(entry?.value);
    return data?.connectionId === present.connectionId ? 'in-sync' : 'syncing';
  }

  async forget(device: OcfUuid): Promise<void> {
    await this.store.delete(keyOf(device));
  }
}

function keyOf(device: OcfUuid): string {
  return `twin-sync/${device}`;
}
