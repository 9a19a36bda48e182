import { z } from 'zod';
import { refusalReason } from './admission.js';
import { deviceId, deviceState, fingerprint, peerKind, serialNumber } from './ids.js';

const pageLimit = z.coerce.number().int().min(1).max(1000).default(100);
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in lower-case hexadecimal');

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

/** `GET /v1/devices`, by name. */
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

/** `GET /v1/devices/:id`, and the answer to each change of state. */
export const deviceDescription = deviceSummary.extend({
  /** Newest first, at most 20. */
  certificates: z.array(deviceCertificate),
  /** Newest first, at most 50. */
  states: z.array(stateChange),
  /** Why it was turned away; newest first, at most 10. A stream of equal refusals counts as one. */
  refusals: z.array(deviceRefusal),
});
export type DeviceDescription = z.infer<typeof deviceDescription>;

/** `POST /v1/devices/:id/lock`, `unlock`, `revoke` and `retire`. Each may be repeated. */
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

/** One row of the registry's audit log. `hash` covers every other field, `previousHash` the row before. */
export const auditRow = z.strictObject({
  /** 1, 2, 3 and so on, without a gap. */
  sequence: z.number().int().positive(),
  at: z.iso.datetime(),
  actor: z.string(),
  action: z.string(),
  /** What it is about: a device id, or the name of a peer that was turned away. */
  subject: z.string(),
  outcome: z.enum(['succeeded', 'refused']),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** SHA-256 of the row before; 64 zeros for the first. */
  previousHash: hash,
  /** SHA-256 over the canonical JSON of the row without this field. */
  hash,
});
export type AuditRow = z.infer<typeof auditRow>;

export const auditQuery = z.strictObject({
  /** Rows after this sequence number. */
  after: z.coerce.number().int().min(0).default(0),
  limit: pageLimit,
});
export type AuditQuery = z.infer<typeof auditQuery>;

/** `GET /v1/audit`, oldest first. */
export const auditPage = z.strictObject({
  rows: z.array(auditRow),
  /** Value of `after` for the next page; absent on the last. */
  after: z.number().int().optional(),
});
export type AuditPage = z.infer<typeof auditPage>;

/** `GET /v1/audit/verify`. Keep `headHash` elsewhere to notice also a log that was rewritten as a whole. */
export const auditVerdict = z.discriminatedUnion('intact', [
  z.strictObject({ intact: z.literal(true), rows: z.number().int().min(0), headHash: hash }),
  z.strictObject({
    intact: z.literal(false),
    /** Rows before the first fault. */
    rows: z.number().int().min(0),
    /** Sequence number at which the chain breaks. */
    brokenAt: z.number().int().positive(),
    fault: z.string(),
  }),
]);
export type AuditVerdict = z.infer<typeof auditVerdict>;

/** `GET /v1/status` of the device registry. */
export const registryStatus = z.strictObject({
  service: z.literal('device-registry'),
  devices: z.record(deviceState, z.number().int().min(0)),
  audit: z.strictObject({ rows: z.number().int().min(0), headHash: hash }),
});
export type RegistryStatus = z.infer<typeof registryStatus>;
