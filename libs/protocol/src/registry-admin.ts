import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { refusalReason } from './admission.js';
import { auditRow } from './audit.js';
import { connectorName } from './connector-settings.js';
import { credentialKind } from './contact.js';
import {
  deviceAuthority,
  deviceCertificate,
  deviceTags,
  foreignAuthority,
  lastSeen,
  reasonText,
  tagName,
  tagValue,
} from './device-record-parts.js';
import { authorityId, deviceId, deviceState, fingerprint, peerKind } from './ids.js';
import { deviceOwner } from './ownership.js';

/** How many entries a page has. */
export const pageLimit = z.coerce.number().int().min(1).max(1000).default(100);
/** Opaque; from the page before. */
export const pageCursor = z.string().min(1).max(1024);

const deviceSummary = z.strictObject({
  deviceId,
  kind: peerKind,
  state: deviceState,
  authority: deviceAuthority,
  /** Subject of that CA, when it is not of this site and has been seen. */
  authorityName: z.string().optional(),
  /** How it proves who it is; absent for a certificate. */
  credential: credentialKind.optional(),
  registeredAt: z.iso.datetime(),
  stateChangedAt: z.iso.datetime(),
  /** End of the newest certificate that is admitted; absent when none is. */
  notAfter: z.iso.datetime().optional(),
  /** The connector at which the device came in; absent for devices of this site's own entrances. */
  connector: connectorName.optional(),
  /** Of a device of OCF: the value of the owner claim of who signed it up. */
  owner: deviceOwner.optional(),
  tags: deviceTags.optional(),
  /** Its last contact; written once a minute, so a crash may lose the newest minute. */
  lastSeenAt: z.iso.datetime().optional(),
});
export type DeviceSummary = z.infer<typeof deviceSummary>;

const tagFilter = z
  .string()
  .max(193)
  .refine((text) => {
    const [name, value] = splitTag(text);
    return tagName.safeParse(name).success && (value === undefined || tagValue.safeParse(value).success);
  }, 'is not a tag: write NAME or NAME=VALUE');

/** Name and value of `NAME=VALUE`; without a value for `NAME`. */
export function splitTag(text: string): [name: string, value: string | undefined] {
  const at = text.indexOf('=');
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** Which devices; each condition that is given must hold. */
export const deviceFilter = z.strictObject({
  /** A part of the name; upper and lower case are the same. */
  search: z
    .string()
    .min(1)
    .max(64)
    .regex(/^[^\p{Cc}]*$/u, 'holds a control character')
    .optional(),
  state: deviceState.optional(),
  /** `NAME`, or `NAME=VALUE`. Several must all be there. */
  tag: z
    .union([tagFilter, z.array(tagFilter).max(8)])
    .transform((tags) => (typeof tags === 'string' ? [tags] : tags))
    // A transform alone cannot be described in OpenAPI.
    .pipe(z.array(tagFilter))
    .optional(),
  authority: deviceAuthority.optional(),
  connector: connectorName.optional(),
  /** In contact at this moment or later. */
  seenSince: z.iso.datetime().optional(),
  /** Not in contact since this moment, or never. */
  unseenSince: z.iso.datetime().optional(),
  /** Its newest certificate that is admitted ends before this moment. */
  expiresBefore: z.iso.datetime().optional(),
});
export type DeviceFilter = z.infer<typeof deviceFilter>;

export const deviceQuery = deviceFilter.extend({ cursor: pageCursor.optional(), limit: pageLimit });
export type DeviceQuery = z.infer<typeof deviceQuery>;

/** By name. */
export const deviceList = z.strictObject({ devices: z.array(deviceSummary), cursor: z.string().optional() });
export type DeviceList = z.infer<typeof deviceList>;

const deviceRefusal = z.strictObject({
  at: z.iso.datetime(),
  reason: refusalReason,
  entrance: z.string(),
  remoteAddress: z.string(),
  fingerprint: fingerprint.optional(),
});
export type DeviceRefusal = z.infer<typeof deviceRefusal>;

const stateChange = z.strictObject({
  state: deviceState,
  at: z.iso.datetime(),
  /** Who made it happen: an administrator (`local-admin:alice`, `admin:alice`), `pki-signer`, or an entrance. */
  actor: z.string(),
  reason: z.string().optional(),
});
export type StateChange = z.infer<typeof stateChange>;

export const deviceDescription = deviceSummary.extend({
  /** Names this version of the record. A change may name it in `If-Match`; then it is made only to this version. */
  version: z.string().optional(),
  lastSeen: lastSeen.optional(),
  /** Newest first, at most 20. */
  certificates: z.array(deviceCertificate),
  /** Newest first, at most 50. */
  states: z.array(stateChange),
  /** Why it was turned away; newest first, at most 10. A stream of equal refusals counts as one. */
  refusals: z.array(deviceRefusal),
});
export type DeviceDescription = z.infer<typeof deviceDescription>;

/** Each may be repeated. */
export const deviceAction = z.enum(['lock', 'unlock', 'revoke', 'retire', 'approve']);
export type DeviceAction = z.infer<typeof deviceAction>;

export const deviceActionRequest = z.strictObject({
  /** For the audit log; shown in `device show`. */
  reason: reasonText.optional(),
});
export type DeviceActionRequest = z.infer<typeof deviceActionRequest>;

/** Changes tags by name. A name in `set` gets these values instead of its present ones. */
export const tagRequest = z.strictObject({
  set: deviceTags.default({}),
  remove: z.array(tagName).max(32).default([]),
});
export type TagRequest = z.infer<typeof tagRequest>;

/** Gives a device of OCF to somebody. Without `owner` it is given up, as by a sign-off. */
export const ownerOrder = z.strictObject({
  owner: deviceOwner.optional(),
  /** For the audit log. */
  reason: reasonText.optional(),
});
export type OwnerOrder = z.infer<typeof ownerOrder>;

/** The certificates of a device with their DER; absent for what earlier releases recorded. Newest first. */
export const certificateHistory = z.strictObject({
  certificates: z.array(deviceCertificate.extend({ der: z.base64().optional() })),
});
export type CertificateHistory = z.infer<typeof certificateHistory>;

/**
 * Gives the devices of one CA to another. One request covers at most 200 devices, so repeat it with the cursor until
 * there is none. The same request may be sent twice.
 */
export const takeoverRequest = z.strictObject({
  from: foreignAuthority,
  to: authorityId,
  /** Subject of the new CA; needed when no entrance has seen it yet. */
  toName: z.string().min(1).max(256).optional(),
  /** Only this device. */
  deviceId: deviceId.optional(),
  /** `count` changes nothing. */
  mode: z.enum(['count', 'move']),
  cursor: z.string().min(1).max(1024).optional(),
});
export type TakeoverRequest = z.infer<typeof takeoverRequest>;

export const takeoverResponse = z.strictObject({
  /** How many devices of `from` this request found. In mode `move` they belong to `to` now. */
  devices: z.number().int().min(0),
  fromName: z.string().optional(),
  toName: z.string(),
  cursor: z.string().optional(),
});
export type TakeoverResponse = z.infer<typeof takeoverResponse>;

/** The state of the device registry, for an administrator. */
export const registryStatus = z.strictObject({
  service: z.literal('device-registry'),
  /** Devices by state. While the registry reads its devices after a start, the ones read so far. */
  devices: z.record(deviceState, z.number().int().min(0)),
  /** False while the registry reads its devices after a start. Until then, lists with a filter are refused. */
  isComplete: z.boolean().optional(),
  /** Active devices whose newest certificate ends within so many days, each with those before it. */
  expiring: z
    .strictObject({
      ended: z.number().int().min(0),
      days7: z.number().int().min(0),
      days30: z.number().int().min(0),
      days90: z.number().int().min(0),
    })
    .optional(),
  audit: z.strictObject({ rows: z.number().int().min(0), headHash: auditRow.shape.hash }),
});
export type RegistryStatus = z.infer<typeof registryStatus>;

/** The admin API of the device registry. */
export const registryRoutes = {
  listDevices: {
    method: 'GET',
    path: '/v1/devices',
    summary: 'Lists devices by name, all or those that a filter names.',
    query: deviceQuery,
    response: deviceList,
  },
  showDevice: {
    method: 'GET',
    path: '/v1/devices/:id',
    summary: 'Shows a device: its certificates, its states, and why it was turned away.',
    parameters: { id: deviceId },
    response: deviceDescription,
  },
  changeDevice: {
    method: 'POST',
    role: 'operator',
    ifMatch: 'optional',
    path: '/v1/devices/:id/:action',
    summary: 'Changes the state of a device; may be repeated.',
    parameters: { id: deviceId, action: deviceAction },
    request: deviceActionRequest,
    response: deviceDescription,
  },
  listDeviceCertificates: {
    method: 'GET',
    path: '/v1/devices/:id/certificates',
    summary: 'Lists the certificates of a device with their DER, newest first.',
    parameters: { id: deviceId },
    response: certificateHistory,
  },
  tagDevice: {
    method: 'POST',
    role: 'operator',
    ifMatch: 'optional',
    path: '/v1/devices/:id/tags',
    summary: 'Sets and removes tags of a device; may be repeated.',
    parameters: { id: deviceId },
    request: tagRequest,
    response: deviceDescription,
  },
  setOwner: {
    method: 'POST',
    ifMatch: 'optional',
    path: '/v1/devices/:id/owner',
    summary:
      'Gives a device of OCF to another owner. Without an owner it is given up: its certificates of this site are revoked.',
    parameters: { id: deviceId },
    request: ownerOrder,
    response: deviceDescription,
  },
  deleteDevice: {
    method: 'DELETE',
    ifMatch: 'optional',
    path: '/v1/devices/:id',
    summary: 'Deletes a device. Its name and its certificates are refused until they are released.',
    parameters: { id: deviceId },
    query: deviceActionRequest,
  },
  takeOverDevices: {
    method: 'POST',
    path: '/v1/takeovers',
    summary: 'Counts the devices a CA outside this site vouches for, or gives them to another one, a page at a time.',
    request: takeoverRequest,
    response: takeoverResponse,
  },
  showStatus: {
    method: 'GET',
    path: '/v1/status',
    summary: 'Counts the devices, and names the newest row of the audit log.',
    response: registryStatus,
  },
} as const satisfies Record<string, AdminRoute>;
