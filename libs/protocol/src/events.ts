import { z } from 'zod';
import { authorityId, deviceId, deviceState, fingerprint, peerKind, serialNumber } from './ids.js';
import { deviceOwner } from './ownership.js';
import { serviceTopicRoot } from './rpc.js';
import { revocationReason } from './signer-admin.js';

/** An event contract: MQTT topic, QoS 1, published from an outbox, so it may arrive twice and never out of order per key. */
export interface EventContract<Payload extends z.ZodType> {
  readonly topic: string;
  readonly payload: Payload;
}

const event = <Payload extends z.ZodType>(name: string, payload: Payload): EventContract<Payload> => ({
  topic: `${serviceTopicRoot}/event/${name}`,
  payload,
});

const issuedCertificate = z.strictObject({
  fingerprint,
  serialNumber,
  issuerFingerprint: fingerprint,
  /** That CA by key and name, which stay when its certificate is issued again. */
  issuerAuthority: authorityId.optional(),
  deviceId,
  kind: peerKind,
  profile: z.string().min(1).max(64),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  issuedAt: z.iso.datetime(),
  /** Whether the token that paid for it was made to bring a revoked device back. */
  reinstate: z.boolean(),
});
export type IssuedCertificate = z.infer<typeof issuedCertificate>;

/** The signer issued a certificate. */
export const certificateIssued = event('certificate-issued', issuedCertificate);

const revokedCertificate = z.strictObject({
  fingerprint,
  serialNumber,
  issuerFingerprint: fingerprint,
  deviceId,
  revokedAt: z.iso.datetime(),
  /** RFC 5280 §5.3.1 reason, such as `keyCompromise` or `cessationOfOperation`. */
  reason: z.string().min(1).max(64),
});
export type RevokedCertificate = z.infer<typeof revokedCertificate>;

/** The signer revoked one certificate. */
export const certificateRevoked = event('certificate-revoked', revokedCertificate);

const deviceChange = z.strictObject({
  deviceId,
  state: deviceState,
  /** Certificates the change concerns; when the state is not `active` their sessions end. */
  fingerprints: z.array(fingerprint).max(1000),
  changedAt: z.iso.datetime(),
});
export type DeviceChange = z.infer<typeof deviceChange>;

/** The registry changed who is admitted. Entrances forget remembered answers, and end sessions not admitted any more. */
export const deviceChanged = event('device-changed', deviceChange);

const withdrawnCertificates = z.strictObject({
  deviceId,
  /** Those that the registry knows, and that a CA of this site may have issued. */
  certificates: z
    .array(z.strictObject({ fingerprint, serialNumber, issuerFingerprint: fingerprint, notAfter: z.iso.datetime() }))
    .max(1000),
  reason: revocationReason,
  changedAt: z.iso.datetime(),
});
export type WithdrawnCertificates = z.infer<typeof withdrawnCertificates>;

/** A device was revoked or retired. After a restore, the registry may know certificates that the signer does not. */
export const certificatesWithdrawn = event('certificates-withdrawn', withdrawnCertificates);

/** The registry deleted a device. Whoever keeps something of it removes that: the name may be given to another device. */
export const deviceDeleted = event('device-deleted', z.strictObject({ deviceId, deletedAt: z.iso.datetime() }));

/** A device got an owner, or has none any more. */
export const deviceOwnerChanged = event(
  'device-owner-changed',
  z.strictObject({ deviceId, owner: deviceOwner.optional() }),
);

/** The signer published a new version of its trust bundle. */
export const trustBundleChanged = event(
  'trust-bundle-changed',
  z.strictObject({ version: z.number().int().positive() }),
);
