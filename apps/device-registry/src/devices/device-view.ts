import type { DeviceDescription, DeviceRefusal, DeviceSummary } from '@sallyport/protocol';
import type { DeviceRecord } from './device-record.js';
import type { StoredDevice } from './devices.js';

/**
 * A device as a list shows it.
 *
 * @param authorityName  subject of the CA that vouches for it, if known
 */
export function summaryOf(record: DeviceRecord, authorityName: string | undefined): DeviceSummary {
  const { deviceId, kind, state, authority, registeredAt, certificates, states, connector, tags, credential } = record;
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
    ...(connector === undefined ? {} : { connector }),
    ...(credential === undefined ? {} : { credential: credential.kind }),
    ...(tags === undefined ? {} : { tags }),
  };
}

/** A device with everything the registry knows about it. */
export function descriptionOf(
  { record, revision }: StoredDevice,
  {
    authorityName,
    refusals,
  }: { readonly authorityName: string | undefined; readonly refusals: readonly DeviceRefusal[] },
): DeviceDescription {
  const { certificates, states } = record;
  const version = versionOf(revision);
  return { ...summaryOf(record, authorityName), version, certificates, states, refusals: [...refusals] };
}

/** Names a version of a record, without the quotes of an entity tag (RFC 9110 §8.8.3). */
export function versionOf(revision: number): string {
  return String(revision);
}
