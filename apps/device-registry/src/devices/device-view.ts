import type { DeviceDescription, DeviceRefusal, DeviceSummary, LastSeen } from '@sallyport/protocol';
import { versionOf } from './change-conditions.js';
import { type DeviceRecord, lastEndOf } from './device-record.js';
import type { StoredDevice } from './devices.js';

/** What a list shows of a device beside its record: subject of the CA that vouches for it, and its last contact. */
export interface SummarySurroundings {
  readonly authorityName: string | undefined;
  readonly lastSeenAt: string | undefined;
}

/** A device as a list shows it. */
export function summaryOf(record: DeviceRecord, { authorityName, lastSeenAt }: SummarySurroundings): DeviceSummary {
  const { deviceId, kind, state, authority, registeredAt, states, connector, tags, credential, owner } = record;
  const notAfter = lastEndOf(record);
  const stateChangedAt = states[0]?.at ?? registeredAt;
  return {
    deviceId,
    kind,
    state,
    authority,
    ...(authorityName === undefined ? {} : { authorityName }),
    registeredAt,
    stateChangedAt,
    ...(notAfter === undefined ? {} : { notAfter }),
    ...(connector === undefined ? {} : { connector }),
    ...(credential === undefined ? {} : { credential: credential.kind }),
    ...(owner === undefined ? {} : { owner }),
    ...(tags === undefined ? {} : { tags }),
    ...(lastSeenAt === undefined ? {} : { lastSeenAt }),
  };
}

/** What the registry knows of a device beside its record. */
export interface DeviceSurroundings {
  readonly authorityName: string | undefined;
  readonly refusals: readonly DeviceRefusal[];
  readonly lastSeen: LastSeen | undefined;
}

/** A device with everything the registry knows about it. */
export function descriptionOf(device: StoredDevice, surroundings: DeviceSurroundings): DeviceDescription {
  const { authorityName, refusals, lastSeen } = surroundings;
  const { certificates, states } = device.record;
  return {
    ...summaryOf(device.record, { authorityName, lastSeenAt: lastSeen?.at }),
    version: versionOf(device),
    ...(lastSeen === undefined ? {} : { lastSeen }),
    certificates,
    states,
    refusals: [...refusals],
  };
}
