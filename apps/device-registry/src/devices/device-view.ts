import type { DeviceDescription, DeviceRefusal, DeviceSummary } from '@sallyport/protocol';
import type { DeviceRecord } from './device-record.js';

/**
 * A device as a list shows it.
 *
 * @param authorityName  subject of the CA that vouches for it, if known
 */
export function summaryOf(record: DeviceRecord, authorityName: string | undefined): DeviceSummary {
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
    ...(authorityName === undefined ? {} : { authorityName }),
    registeredAt,
    stateChangedAt,
    ...(notAfter === undefined ? {} : { notAfter }),
  };
}

/** A device with everything the registry knows about it. */
export function descriptionOf(
  record: DeviceRecord,
  {
    authorityName,
    refusals,
  }: { readonly authorityName: string | undefined; readonly refusals: readonly DeviceRefusal[] },
): DeviceDescription {
  const { certificates, states } = record;
  return { ...summaryOf(record, authorityName), certificates, states, refusals: [...refusals] };
}
