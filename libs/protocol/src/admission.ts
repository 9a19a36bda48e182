import { z } from 'zod';
import { connectorName } from './connector-settings.js';
import { authorityId, type DeviceId, deviceId, type Fingerprint, fingerprint, peerKind, serialNumber } from './ids.js';
import { isRefusalReason, refusals } from './refusals.js';
import { defineRpc, rpcTopic } from './rpc.js';

/** A refusal code of `refusals`. */
export const refusalReason = z.literal(Object.keys(refusals).filter(isRefusalReason));

const contact = {
  /** Which entrance, by its name in the table of entrances, such as `http`, `mqtt` or `c8y.proxy@plant2`. */
  entrance: z.string().min(1).max(128),
  remoteAddress: z.string().max(64),
};

/**
 * The connector at whose entrance the peer came, and the certificate itself. The registry reads the identity of the
 * device from it, by the rules of the connector.
 */
export const connectorContact = z.strictObject({
  name: connectorName,
  /** The leaf in DER, as base64. */
  certificate: z.base64().min(4).max(22_000),
});
export type ConnectorContact = z.infer<typeof connectorContact>;

/** A peer that proved possession of a key whose certificate chains to a trusted CA of the entrance. */
export const certificateAdmissionRequest = z.strictObject({
  fingerprint,
  /** The name in the certificate. With `connector`, only how the entrance calls the peer until the registry names it. */
  deviceId,
  /** SHA-256 over the DER of the CA certificate that issued the leaf. */
  issuerFingerprint: fingerprint,
  /** That one, and the other certificates of this CA (same key, same name) that the entrance trusts. */
  knownIssuerFingerprints: z.array(fingerprint).min(1).max(16),
  /**
   * The CAs that vouch for the name, by key and name: first the one that issued the leaf, then those above it, up
   * to the topmost trusted one. A name that is seen for the first time belongs to the last.
   */
  authorities: z.array(authorityId).min(1).max(16),
  /** Subject of the last of the authorities, printable. */
  authorityName: z.string().min(1).max(256),
  serialNumber,
  /** Whether a CA of this site's own hierarchy issued the leaf. */
  issuedHere: z.boolean(),
  kind: peerKind,
  /** ISO 8601, UTC. */
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  /** Only at the entrances of a connector. */
  connector: connectorContact.optional(),
  ...contact,
});
export type CertificateAdmissionRequest = z.infer<typeof certificateAdmissionRequest>;

/** A device that presented a token, which the service of the entrance has verified. */
export const tokenAdmissionRequest = z.strictObject({
  credential: z.literal('token'),
  deviceId,
  /** A token makes no service and no administrator. */
  kind: z.literal('device'),
  /** Who issued the token, such as its claim `iss` (RFC 7519 §4.1.1). */
  issuer: z.string().min(1).max(256),
  /** ISO 8601, UTC. */
  expiresAt: z.iso.datetime(),
  ...contact,
});
export type TokenAdmissionRequest = z.infer<typeof tokenAdmissionRequest>;

/**
 * A peer and what it proved. A request about a certificate has no field `credential`, as in earlier releases. A registry
 * that does not know a credential cannot parse the request, and so admits nobody.
 */
export const admissionRequest = z.union([certificateAdmissionRequest, tokenAdmissionRequest]);
export type AdmissionRequest = z.infer<typeof admissionRequest>;

export function isTokenAdmission(request: AdmissionRequest): request is TokenAdmissionRequest {
  return 'credential' in request;
}

/**
 * How an entrance of a connector calls a peer whose common name is no device id, until the registry has named it from
 * another field of its certificate.
 */
export function nameBeforeAdmission(certificate: Fingerprint): DeviceId {
  return deviceId.parse(`x5t:${certificate.slice(0, 60)}`);
}

export const admissionDecision = z.discriminatedUnion('outcome', [
  // `deviceId` is the name in the record. At a connector it may differ from the name in the certificate.
  z.strictObject({ outcome: z.literal('admitted'), deviceId, kind: peerKind }),
  z.strictObject({ outcome: z.literal('refused'), reason: refusalReason }),
]);
export type AdmissionDecision = z.infer<typeof admissionDecision>;

/** Asks the device registry whether a peer may pass. Idempotent: a first contact registers the device once. */
export const admitPeer = defineRpc({
  pattern: rpcTopic('device-registry', 'admit-peer'),
  request: admissionRequest,
  response: admissionDecision,
});

/** A name somebody wants a certificate for. */
export const enrolmentQuestion = z.strictObject({
  deviceId,
  kind: peerKind,
  /** Whether an administrator made the token to bring a revoked device back. */
  reinstate: z.boolean(),
});
export type EnrolmentQuestion = z.infer<typeof enrolmentQuestion>;

export const enrolmentDecision = z.discriminatedUnion('outcome', [
  z.strictObject({ outcome: z.literal('allowed') }),
  z.strictObject({ outcome: z.literal('refused'), reason: refusalReason }),
]);
export type EnrolmentDecision = z.infer<typeof enrolmentDecision>;

/** Asks the device registry whether a certificate may be issued to this name now. */
export const checkEnrolment = defineRpc({
  pattern: rpcTopic('device-registry', 'check-enrolment'),
  request: enrolmentQuestion,
  response: enrolmentDecision,
});

/** A peer that an entrance turned away before the registry was asked. */
export const refusalReport = z.strictObject({
  reason: refusalReason,
  ...contact,
  /** Subject of the certificate (RFC 4514), as far as it is known; escaped by the sender, at most 256 characters. */
  subject: z.string().max(256).optional(),
  fingerprint: fingerprint.optional(),
  /** How many refusals like this one came before it and were not reported. */
  leftOut: z.int().positive().optional(),
});
export type RefusalReport = z.infer<typeof refusalReport>;

/** Tells the audit log about a peer turned away before the registry was asked. */
export const recordRefusal = defineRpc({
  pattern: rpcTopic('device-registry', 'record-refusal'),
  request: refusalReport,
  response: z.strictObject({}),
});

/** Contacts of one device since the last report. */
const reportedContact = z.strictObject({
  deviceId,
  ...contact,
  /** Of the last one. ISO 8601, UTC. */
  at: z.iso.datetime(),
  /** How many; 0: they were counted in a report before, whose answer did not come. */
  contacts: z.int().min(0),
});
export type ReportedContact = z.infer<typeof reportedContact>;

/** Devices of one report at most. */
export const mostReportedContacts = 1000;

/** Tells the registry about contacts for which it was not asked, because the service remembered its answer. */
export const reportContacts = defineRpc({
  pattern: rpcTopic('device-registry', 'report-contacts'),
  request: z.strictObject({ contacts: z.array(reportedContact).min(1).max(mostReportedContacts) }),
  response: z.strictObject({}),
});
