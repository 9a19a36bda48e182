import { type DeviceAuthority, Problem } from '@sallyport/protocol';
import type { Entry, JsonValue } from '@sallyport/store';
import { z } from 'zod';
import { devicePrefix } from './device-keys.js';
import { type DeviceRecord, deviceRecord, lastEndOf } from './device-record.js';

// A fleet of a million devices in Redis is kept in memory. So the parts that every record has are written without
// names, hashes in base64 and times as numbers: a third of the size. What few records have keeps its name.
const layout = 2;

const hexDigest = /^[0-9a-f]{64}$/;
const authorityMark = 'ca:';
// Numbers below are seconds, others milliseconds. They are the years 5138 and 1973.
const firstMilliseconds = 1e11;

const packedTime = z.union([z.number().int().min(-8e15).max(8e15), z.string()]);
const packedCertificate = z.tuple([
  z.string(),
  z.string(),
  z.string(),
  z.string().nullable(),
  packedTime,
  packedTime,
  packedTime,
  z.string(),
  packedTime.nullish(),
  z.string().nullish(),
]);
const packedState = z.tuple([z.string(), packedTime, z.string(), z.string().nullish()]);

const packedRecord = z.looseObject({
  v: z.literal(layout),
  id: z.string(),
  k: z.string(),
  s: z.string(),
  a: z.string(),
  r: packedTime,
  c: z.array(packedCertificate),
  h: z.array(packedState),
});

// Of a certificate only its end and whether it is revoked.
const skipped = z.unknown();
const certificateEnd = z.tuple(
  [skipped, skipped, skipped, skipped, skipped, packedTime, skipped, skipped, packedTime.nullish()],
  skipped,
);

/** The parts of a record that the index has. To read the whole record of each device would take minutes at a start. */
const packedForIndex = z.object({
  v: z.literal(layout),
  s: z.string(),
  a: z.string(),
  c: z.array(certificateEnd),
  connector: z.string().optional(),
  tags: z.record(z.string(), z.array(z.string())).optional(),
});

type Certificate = DeviceRecord['certificates'][number];
type StateOfDevice = DeviceRecord['states'][number];

/** What the index has of a device. */
export interface IndexedParts {
  readonly state: string;
  readonly authority: string;
  readonly connector: string | undefined;
  readonly tags: Readonly<Record<string, readonly string[]>>;
  /** End of the newest certificate that is not revoked. */
  readonly endsAt: Date | undefined;
}

/**
 * The parts of a record that the index has.
 *
 * @throws Problem `internal`: it is no record
 */
export function indexedPartsOf(entry: Entry): IndexedParts {
  const { data: packed } = packedForIndex.safeParse(entry.value);
  if (packed === undefined) return indexedPartsOfRecord(recordOf(entry));
  const { s: state, a, c, connector, tags = {} } = packed;
  const valid = c.filter(({ 8: revokedAt }) => revokedAt === undefined || revokedAt === null);
  const ends = valid.map(({ 5: notAfter }) => msOf(notAfter));
  const endsAt = ends.length === 0 ? undefined : new Date(Math.max(...ends));
  return { state, authority: unpackHash(a), connector, tags, endsAt };
}

function indexedPartsOfRecord(record: DeviceRecord): IndexedParts {
  const { state, authority, connector, tags = {} } = record;
  const end = lastEndOf(record);
  return { state, authority, connector, tags, endsAt: end === undefined ? undefined : new Date(end) };
}

/** A record as the store keeps it. */
export function packRecord(record: DeviceRecord): JsonValue {
  const { deviceId, kind, state, authority, registeredAt, certificates, states, ...others } = record;
  return {
    v: layout,
    id: deviceId,
    k: kind,
    s: state,
    a: packHash(authority),
    r: packTime(registeredAt),
    c: certificates.map((certificate) => packCertificate(certificate, authority)),
    h: states.map(packState),
    ...others,
  };
}

/**
 * The record in an entry of the store, also one of an earlier release.
 *
 * @throws Problem `internal`: it is none
 */
export function recordOf({ key, value }: Entry): DeviceRecord {
  const packed = packedRecord.safeParse(value);
  const { data: record, error } = deviceRecord.safeParse(packed.success ? unpacked(packed.data) : value);
  if (record !== undefined) return record;
  const name = key.slice(devicePrefix.length);
  throw new Problem('internal', `What the store holds of device "${name}" is not readable. Restore a backup.`, {
    cause: error,
  });
}

function unpacked({ v: _, id, k, s, a, r, c, h, ...others }: z.infer<typeof packedRecord>) {
  const authority = unpackHash(a);
  return {
    deviceId: id,
    kind: k,
    state: s,
    authority,
    registeredAt: unpackTime(r),
    certificates: c.map((certificate) => unpackCertificate(certificate, authority)),
    states: h.map(unpackState),
    ...others,
  };
}

function packCertificate(certificate: Certificate, authority: DeviceAuthority): JsonValue {
  const { fingerprint, serialNumber, issuerFingerprint, issuer, notBefore, notAfter, recordedAt } = certificate;
  const { source, revocation } = certificate;
  const shortIssuer = issuer === authority ? '' : issuer && packHash(issuer);
  const packed = [
    packHash(fingerprint),
    serialNumber,
    packHash(issuerFingerprint),
    shortIssuer ?? null,
    packTime(notBefore),
    packTime(notAfter),
    packTime(recordedAt),
    source,
  ];
  return revocation === undefined ? packed : [...packed, packTime(revocation.revokedAt), revocation.reason];
}

function unpackCertificate(packed: z.infer<typeof packedCertificate>, authority: string) {
  const [fingerprint, serialNumber, issuerFingerprint, issuer, notBefore, notAfter, recordedAt, source] = packed;
  const [, , , , , , , , revokedAt, reason] = packed;
  const revocation = revokedAt === undefined || revokedAt === null ? undefined : unpackTime(revokedAt);
  return {
    fingerprint: unpackHash(fingerprint),
    serialNumber,
    issuerFingerprint: unpackHash(issuerFingerprint),
    ...(issuer === null ? {} : { issuer: issuer === '' ? authority : unpackHash(issuer) }),
    notBefore: unpackTime(notBefore),
    notAfter: unpackTime(notAfter),
    recordedAt: unpackTime(recordedAt),
    source,
    ...(revocation === undefined ? {} : { revocation: { revokedAt: revocation, reason: reason ?? '' } }),
  };
}

function packState({ state, at, actor, reason }: StateOfDevice): JsonValue {
  return reason === undefined ? [state, packTime(at), actor] : [state, packTime(at), actor, reason];
}

function unpackState([state, at, actor, reason]: z.infer<typeof packedState>) {
  return { state, at: unpackTime(at), actor, ...(typeof reason === 'string' ? { reason } : {}) };
}

/** A SHA-256 in hexadecimal, with or without `ca:`, in base64url with a letter before it. Other text as it is. */
function packHash(text: string): string {
  const isAuthority = text.startsWith(authorityMark);
  const digest = isAuthority ? text.slice(authorityMark.length) : text;
  if (!hexDigest.test(digest)) return text;
  return (isAuthority ? '+' : '#') + Buffer.from(digest, 'hex').toString('base64url');
}

function unpackHash(text: string): string {
  if (!text.startsWith('+') && !text.startsWith('#')) return text;
  const digest = Buffer.from(text.slice(1), 'base64url').toString('hex');
  return text.startsWith('+') ? authorityMark + digest : digest;
}

/** A time as a number, if the number gives back the same text. */
function packTime(text: string): number | string {
  const ms = Date.parse(text);
  for (const packed of [ms, ms / 1000]) if (Number.isInteger(packed) && unpackTime(packed) === text) return packed;
  return text;
}

/** Milliseconds since 1970. */
function msOf(packed: number | string): number {
  if (typeof packed === 'string') return Date.parse(packed);
  return Math.abs(packed) >= firstMilliseconds ? packed : packed * 1000;
}

function unpackTime(packed: number | string): string {
  if (typeof packed === 'string') return packed;
  if (Math.abs(packed) >= firstMilliseconds) return new Date(packed).toISOString();
  return new Date(packed * 1000).toISOString().replace('.000Z', 'Z');
}
