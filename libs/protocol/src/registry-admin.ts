import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { refusalReason } from './admission.js';
import { auditRow } from './audit.js';
import { deviceId, deviceState, fingerprint, peerKind, serialNumber } from './ids.js';

const pageLimit = z.coerce.number().int().min(1).max(1000).default(100);

/** Who vouches for a device: a CA of this site, or the CA certificate with this fingerprint. */
export const deviceAuthority = z.union([z.literal('site'), fingerprint]);
export type DeviceAuthority = z.infer<typeof deviceAuthority>;

const deviceSummary = z.strictObject({
  deviceId,
  kind: peerKind,
  state: deviceState,
  authority: deviceAuthority,
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
  /** Who made it happen: `local-admin`, `admin:alice`, `pki-signer`, or an entrance. */
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
    .min(1)
    .max(256)
    .regex(/^[^\p{Cc}]*$/u, 'holds a control character')
    .optional(),
});
export type DeviceActionRequest = z.infer<typeof deviceActionRequest>;

/** How the device registry is. */
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
  showStatus: {
    method: 'GET',
    path: '/v1/status',
    summary: 'Counts the devices, and names the newest row of the audit log.',
    response: registryStatus,
  },
} as const satisfies Record<string, AdminRoute>;
