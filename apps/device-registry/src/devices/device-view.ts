import type { DeviceDescription, DeviceRefusal, DeviceSummary } from '@sallyport/protocol';
import type { DeviceRecord } from './device-record.js';

/** A device as a list shows it. */
export function summaryOf(record: DeviceRecord): DeviceSummary {
  const { deviceId, kind, state, authority, registeredAt, certificates, states } = record;
  const admitted = certificates.filter(({ revocation }) => revocation === undefined);
  const notAfter = admitted
    .map((certificate) => certificate.notAfter)
    .sort()
    .at(-1);
  const stateChangedAt = states[0]?.at ?? registeredAt;
  return {
    deviceId,
    kind,
    state,
    authority,
    registeredAt,
    stateChangedAt,
    ...(notAfter === undefined ? {} : { notAfter }),
  };
}

/** A device with all that is known of it. */
export function descriptionOf(record: DeviceRecord, refusals: readonly DeviceRefusal[]): DeviceDescription {
  const { certificates, states } = record;
  return { ...summaryOf(record), certificates, states, refusals: [...refusals] };
}
