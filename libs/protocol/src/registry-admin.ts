import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { refusalReason } from './admission.js';
import { auditRow } from './audit.js';
import { authorityId, deviceId, deviceState, fingerprint, peerKind, serialNumber } from './ids.js';

const pageLimit = z.coerce.number().int().min(1).max(1000).default(100);

/** A CA outside this site: by key and name; by the fingerprint of its certificate in records of older versions. */
export const foreignAuthority = z.union([authorityId, fingerprint]);
export type ForeignAuthority = z.infer<typeof foreignAuthority>;

/** Who vouches for a device: a CA of this site, or another one. */
export const deviceAuthority = z.union([z.literal('site'), foreignAuthority]);
export type DeviceAuthority = z.infer<typeof deviceAuthority>;

const deviceSummary = z.strictObject({
  deviceId,
  kind: peerKind,
  state: deviceState,
  authority: deviceAuthority,
  /** Subject of that CA, when it is not of this site and has been seen. */
  authorityName: z.string().optional(),
  registeredAt: z.iso.datetime(),
  stateChangedAt: z.iso.datetime(),
  /** End of the newest certificate that is admitted; absent when none is. */
  notAfter: z.iso.datetime().optional(),
});
export type DeviceSummary = z.infer<typeof deviceSummary>;

export const deviceQuery = z.strictObject({
  state: deviceState.optional(),
  cursor: z.string().min(1).max(1024).optional(),
  limit: pageLimit,
});
export type DeviceQuery = z.infer<typeof deviceQuery>;

/** By name. */
export const deviceList = z.strictObject({ devices: z.array(deviceSummary), cursor: z.string().optional() });
export type DeviceList = z.infer<typeof deviceList>;

const deviceCertificate = z.strictObject({
  fingerprint,
  serialNumber,
  issuerFingerprint: fingerprint,
  /** That CA by key and name, when it is known. */
  issuer: authorityId.optional(),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  recordedAt: z.iso.datetime(),
  /** `issued`: the signer announced it. `contact`: the device showed it at an entrance. */
  source: z.enum(['issued', 'contact']),
  revocation: z.strictObject({ revokedAt: z.iso.datetime(), reason: z.string() }).optional(),
});
export type DeviceCertificate = z.infer<typeof deviceCertificate>;

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
  /** Newest first, at most 20. */
  certificates: z.array(deviceCertificate),
  /** Newest first, at most 50. */
  states: z.array(stateChange),
  /** Why it was turned away; newest first, at most 10. A stream of equal refusals counts as one. */
  refusals: z.array(deviceRefusal),
});
export type DeviceDescription = z.infer<typeof deviceDescription>;

/** Each may be repeated. */
export const deviceAction = z.enum(['lock', 'unlock', 'revoke', 'retire']);
export type DeviceAction = z.infer<typeof deviceAction>;

export const deviceActionRequest = z.strictObject({
  /** For the audit log; shown in `device show`. */
  reason: z
    .string()
    .min(1, 'is empty')
    .max(256)
    .regex(/^[^\p{Cc}]*$/u, 'holds a control character')
    .optional(),
});
export type DeviceActionRequest = z.infer<typeof deviceActionRequest>;

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
  devices: z.record(deviceState, z.number().int().min(0)),
  audit: z.strictObject({ rows: z.number().int().min(0), headHash: auditRow.shape.hash }),
});
export type RegistryStatus = z.infer<typeof registryStatus>;

/** The admin API of the device registry. */
export const registryRoutes = {
  listDevices: {
    method: 'GET',
    path: '/v1/devices',
    summary: 'Lists devices by name.',
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
    path: '/v1/devices/:id/:action',
    summary: 'Changes the state of a device; may be repeated.',
    parameters: { id: deviceId, action: deviceAction },
    request: deviceActionRequest,
    response: deviceDescription,
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
