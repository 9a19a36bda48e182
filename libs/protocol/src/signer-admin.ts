import { z } from 'zod';
import { hostName } from './entrance-admin.js';
import { deviceId, fingerprint, peerKind, serialNumber } from './ids.js';

const dayInSeconds = 86_400;
const cursor = z.string().min(1).max(512);
const pageLimit = z.coerce.number().int().min(1).max(1000);

/** The kinds of leaf a caller may ask for; `server` certificates are the signer's own. */
export const leafProfile = z.enum(['device', 'service', 'admin']);
export type LeafProfile = z.infer<typeof leafProfile>;

/** A one-time token. A newer token replaces the open one of the same name. */
export const enrolmentTokenRequest = z.strictObject({
  deviceId,
  profile: leafProfile.default('device'),
  /** Whether it may bring a revoked device back. */
  reinstate: z.boolean().default(false),
  /** How long the token may be used; default `pki.token.validity`. */
  validitySeconds: z
    .number()
    .int()
    .min(60)
    .max(30 * dayInSeconds)
    .optional(),
  /** Names and addresses the certificate may carry; for services. */
  subjectAltNames: z.array(hostName).max(32).default([]),
});
export type EnrolmentTokenRequest = z.infer<typeof enrolmentTokenRequest>;

/** The only time the token is shown: the signer keeps a keyed digest of it. */
export const enrolmentTokenResponse = z.strictObject({
  deviceId,
  profile: leafProfile,
  token: z.string().min(1).max(200),
  expiresAt: z.iso.datetime(),
});
export type EnrolmentTokenResponse = z.infer<typeof enrolmentTokenResponse>;

const enrolmentTokenDescription = z.strictObject({
  deviceId,
  profile: leafProfile,
  state: z.enum(['open', 'used', 'locked', 'expired']),
  reinstate: z.boolean(),
  subjectAltNames: z.array(hostName),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  failedTries: z.number().int().min(0),
  /** Of the certificate it paid for. */
  fingerprint: fingerprint.optional(),
});
export type EnrolmentTokenDescription = z.infer<typeof enrolmentTokenDescription>;

export const enrolmentTokenQuery = z.strictObject({ cursor: cursor.optional(), limit: pageLimit.default(100) });

/** By name. */
export const enrolmentTokenList = z.strictObject({
  enrollments: z.array(enrolmentTokenDescription),
  cursor: cursor.optional(),
});
export type EnrolmentTokenList = z.infer<typeof enrolmentTokenList>;

/** RFC 5280 §5.3.1, without the reasons that do not apply to end-entity certificates. */
export const revocationReason = z.enum([
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
]);
export type RevocationReason = z.infer<typeof revocationReason>;

/** A certificate the signer issued. */
export const certificateDescription = z.strictObject({
  fingerprint,
  serialNumber,
  /** Id of the issuing CA, such as `device-1`. */
  issuer: z.string(),
  issuerFingerprint: fingerprint,
  deviceId,
  kind: peerKind,
  profile: z.string(),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  issuedAt: z.iso.datetime(),
  state: z.enum(['valid', 'expired', 'revoked']),
  revocation: z.strictObject({ revokedAt: z.iso.datetime(), reason: revocationReason }).optional(),
});
export type CertificateDescription = z.infer<typeof certificateDescription>;

export const certificateQuery = z.strictObject({
  deviceId: deviceId.optional(),
  /** Only those that end before this moment, soonest first. */
  expiresBefore: z.iso.datetime().optional(),
  cursor: cursor.optional(),
  limit: pageLimit.default(100),
});
export type CertificateQuery = z.infer<typeof certificateQuery>;

/** By end date. */
export const certificateList = z.strictObject({
  certificates: z.array(certificateDescription),
  cursor: cursor.optional(),
});
export type CertificateList = z.infer<typeof certificateList>;

export const revocationRequest = z.strictObject({ reason: revocationReason.default('unspecified') });
export type RevocationRequest = z.infer<typeof revocationRequest>;

/** The CSR of an administrator or a service. */
export const signingRequest = z.strictObject({
  /** PKCS#10 in PEM. */
  csr: z.string().min(1).max(24_576),
  name: deviceId,
  profile: z.enum(['admin', 'service']),
  subjectAltNames: z.array(hostName).max(32).default([]),
});
export type SigningRequest = z.infer<typeof signingRequest>;

export const signingResponse = z.strictObject({
  fingerprint,
  notAfter: z.iso.datetime(),
  /** PEM, leaf first, then the issuing CA; the root is left out. */
  chain: z.string(),
  /** Requested extensions that the certificate does not have; absent when there are none. */
  leftOut: z.array(z.string()).exactOptional(),
});
export type SigningResponse = z.infer<typeof signingResponse>;

/** What a CA of the hierarchy is for. */
export const authorityPurpose = z.enum(['root', 'device', 'service']);
export type AuthorityPurpose = z.infer<typeof authorityPurpose>;

/** `pending`: key made. `published`: in the trust bundle. `active`: signs. `retiring`: signs CRLs only. `retired`: gone. */
export const authorityState = z.enum(['pending', 'published', 'active', 'retiring', 'retired']);
export type AuthorityState = z.infer<typeof authorityState>;

const authorityDescription = z.strictObject({
  /** Such as `device-1`. */
  id: z.string(),
  purpose: authorityPurpose,
  state: authorityState,
  /** RFC 4514. */
  subject: z.string(),
  issuer: z.string(),
  fingerprint,
  /** Lower-case hexadecimal; names the CRL: `/crl/<keyId>.crl`. */
  keyId: z.string(),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  /** When a published CA starts to sign. */
  activatesAt: z.iso.datetime().optional(),
  /** When a root that followed another one came into the trust bundle. */
  publishedAt: z.iso.datetime().optional(),
  /** Id of the root above it; of itself for a root. */
  root: z.string().optional(),
  /** For a root: the ids of the roots that have signed its key, so that who knows only one of these finds the way. */
  crossSignedBy: z.array(z.string()).optional(),
  /** Whether this signer holds its key. */
  hasKey: z.boolean(),
});
export type AuthorityDescription = z.infer<typeof authorityDescription>;

/** How far a change of the root has come: who has renewed since the new root was published, and so knows it. */
export const rootSuccession = z.strictObject({
  /** The new root, such as `root-2`. */
  root: z.string(),
  publishedAt: z.iso.datetime(),
  /** When CAs below the new root begin to sign; absent when they do. */
  activatesAt: z.iso.datetime().optional(),
  /** Holders of certificates that are still valid. */
  followed: z.number().int().min(0),
  notFollowed: z.number().int().min(0),
  /** Names of those who have not followed, sorted, the first hundred. */
  notFollowedNames: z.array(z.string()),
});
export type RootSuccession = z.infer<typeof rootSuccession>;

export const hierarchyDescription = z.strictObject({
  trustBundleVersion: z.number().int().positive(),
  /** Fingerprint of the root of new certificates. A one-time token contains it. */
  caFingerprint: fingerprint,
  authorities: z.array(authorityDescription),
  /** Only while the root changes: until the old root has retired. */
  rootSuccession: rootSuccession.optional(),
});
export type HierarchyDescription = z.infer<typeof hierarchyDescription>;

/** How long a new CA is published before it signs, so that everybody knows it by then. */
const overlapSeconds = z
  .number()
  .int()
  .min(0)
  .max(365 * dayInSeconds);

export const rotationRequest = z.strictObject({
  purpose: authorityPurpose,
  /** When absent: none for an issuing CA, one whole life of a leaf for a root. */
  overlapSeconds: overlapSeconds.optional(),
  /** The key of the old root is not to be trusted any more: no overlap, and all that it vouched for is refused. */
  atOnce: z.boolean().optional(),
});
export type RotationRequest = z.infer<typeof rotationRequest>;

/** Certificates in PEM. */
export const trustBundle = z.strictObject({
  version: z.number().int().positive(),
  roots: z.array(z.string()).min(1),
  issuing: z.array(z.string()),
  /** Still vouch for certificates issued earlier. */
  retiring: z.array(z.string()),
});
export type TrustBundle = z.infer<typeof trustBundle>;

export const authorityImport = z.strictObject({
  purpose: authorityPurpose,
  /** Base64 of a PEM bundle (key as PKCS#8, plain or encrypted) or of a PKCS#12 file. */
  bundle: z.base64().min(1).max(240_000),
  passphrase: z.string().max(1024).optional(),
  /** For a root, as in a rotation. */
  overlapSeconds: overlapSeconds.optional(),
  atOnce: z.boolean().optional(),
});
export type AuthorityImport = z.infer<typeof authorityImport>;

/** Without a passphrase only certificates leave. */
export const authorityExport = z.strictObject({
  /** Id of the CA, such as `root-1`. */
  id: z.string().min(1).max(64),
  passphrase: z.string().min(12).max(1024).optional(),
});
export type AuthorityExport = z.infer<typeof authorityExport>;

export const authorityExportResponse = z.strictObject({
  /** PEM, the CA first, then its issuers up to the root. */
  certificates: z.string(),
  /** Base64 of a PKCS#12 file with the key, encrypted with the passphrase. */
  pkcs12: z.base64().optional(),
});
export type AuthorityExportResponse = z.infer<typeof authorityExportResponse>;

/**
 * A cloud wants to see that the key of a CA is held here. The code has letters and digits only: so no signature over it
 * is one over a certificate or a CRL, which are DER and begin otherwise.
 */
export const authorityProof = z.strictObject({
  /** Id of the CA, such as `device-1`. */
  id: z.string().min(1).max(64),
  code: z.string().regex(/^[A-Za-z0-9]{8,128}$/, { error: 'must be 8 to 128 letters and digits' }),
});
export type AuthorityProof = z.infer<typeof authorityProof>;

export const authorityProofResponse = z.strictObject({
  /** Base64 of the signature over the code, with SHA-256. */
  signature: z.base64(),
});
export type AuthorityProofResponse = z.infer<typeof authorityProofResponse>;
