import { z } from 'zod';
import { refusalReason } from './admission.js';
import { clientCa } from './client-ca.js';
import {
  connectorName,
  connectorSettings,
  domainName,
  resourceAlias,
  resourceDefinition,
} from './connector-settings.js';
import { connectorDocument } from './connectors.js';
import { authorityId, fingerprint } from './ids.js';

/** Longest text or file somebody pastes, in characters: one megabyte, in base64. */
const longestPaste = 1_400_000;

/** What somebody pasted: PEM, base64 or hexadecimal text; or a file of any kind, in base64. */
export const pasted = z.union([
  z.strictObject({ text: z.string().max(longestPaste) }),
  z.strictObject({ base64: z.base64().max(longestPaste) }),
]);
export type Pasted = z.infer<typeof pasted>;

/** One thing found in what was pasted. */
const decodedCertificate = z.strictObject({
  kind: z.literal('certificate'),
  role: z.enum(['root-ca', 'intermediate-ca', 'self-signed', 'leaf']),
  /** By key and name; for a CA only. */
  authority: authorityId.optional(),
  fingerprint,
  /** 1 or 3. */
  version: z.int(),
  /** Names are RFC 4514, escaped for one line of plain text. They came from a stranger: escape them again in HTML. */
  subject: z.string(),
  issuer: z.string(),
  commonNames: z.array(z.string()),
  serialNumber: z.string(),
  notBefore: z.iso.datetime(),
  notAfter: z.iso.datetime(),
  status: z.enum(['valid', 'expires-soon', 'expired', 'not-yet-valid']),
  /** `EC P-256`, `RSA 2048`. */
  key: z.string(),
  signatureAlgorithm: z.string(),
  subjectAltNames: z.array(z.string()),
  keyUsages: z.array(z.string()),
  extendedKeyUsages: z.array(z.string()),
  pathLength: z.int().optional(),
  /** DER, base64. */
  der: z.base64(),
});
export type DecodedCertificate = z.infer<typeof decodedCertificate>;

export const decodedItem = z.discriminatedUnion('kind', [
  decodedCertificate,
  /** Anything else: what it is, in words. Its contents are not kept. */
  z.strictObject({
    kind: z.enum(['private-key', 'public-key', 'request', 'revocation-list', 'unreadable']),
    text: z.string(),
  }),
]);
export type DecodedItem = z.infer<typeof decodedItem>;

/** A sentence about what was pasted. */
export const finding = z.strictObject({
  /** Stable; `error`: it cannot be a Client CA. */
  code: z.string(),
  severity: z.enum(['error', 'warning', 'info']),
  text: z.string(),
  /** Which item it is about; absent: all of it. */
  item: z.int().min(0).optional(),
});
export type Finding = z.infer<typeof finding>;

export const decoded = z.strictObject({
  /** At most 100. */
  items: z.array(decodedItem),
  findings: z.array(finding),
  /** Whether it could be added as a Client CA now. */
  fitsClientCa: z.boolean(),
});
export type Decoded = z.infer<typeof decoded>;

export const clientCaPath = { name: connectorName, id: authorityId };

export const newConnector = z.strictObject({ name: connectorName });

/** Sections that are left out stay; `null` takes a value away. */
export const connectorSettingsChange = z.strictObject({
  domains: z.array(domainName).max(32).exactOptional(),
  provisioning: connectorSettings.shape.provisioning.partial().exactOptional(),
  pki: connectorSettings.shape.pki.partial().exactOptional(),
  /** As a whole. */
  identity: connectorSettings.shape.identity.exactOptional(),
  quota: z
    .strictObject({
      devices: connectorSettings.shape.quota.shape.devices.unwrap().nullable().exactOptional(),
      newPerMinute: connectorSettings.shape.quota.shape.newPerMinute.unwrap().nullable().exactOptional(),
    })
    .exactOptional(),
  hook: connectorSettings.shape.hook.unwrap().nullable().exactOptional(),
  /** By alias. */
  resources: z.record(resourceAlias, resourceDefinition.nullable()).exactOptional(),
});
export type ConnectorSettingsChange = z.infer<typeof connectorSettingsChange>;

/** What may be said of a Client CA. What is left out stays, or is the usual; `null` takes a value away. */
export const clientCaChange = z.strictObject({
  label: clientCa.shape.label.exactOptional(),
  provision: clientCa.shape.provision.exactOptional(),
  login: clientCa.shape.login.exactOptional(),
  sessions: clientCa.shape.sessions.exactOptional(),
  approval: clientCa.shape.approval.exactOptional(),
  naming: clientCa.shape.naming.exactOptional(),
  namespace: clientCa.shape.namespace.unwrap().nullable().exactOptional(),
  quota: clientCa.shape.quota.unwrap().nullable().exactOptional(),
  existingUntil: clientCa.shape.existingUntil.unwrap().nullable().exactOptional(),
  crl: clientCa.shape.crl.exactOptional(),
  successorOf: authorityId.nullable().exactOptional(),
});
export type ClientCaChange = z.infer<typeof clientCaChange>;

/** A certificate of a Client CA. Another certificate of a CA that is there already is added to it. */
export const newClientCa = z.strictObject({ certificate: pasted, ...clientCaChange.shape });
export type NewClientCa = z.infer<typeof newClientCa>;

/** One difference between a draft and what is in force. */
export const draftChange = z.strictObject({
  /** Such as `settings.pki.enabled` or `client-cas.ca:….login`. */
  path: z.string(),
  /** JSON; absent: was not there. */
  before: z.string().optional(),
  after: z.string().optional(),
  /** In plain words. */
  text: z.string(),
  /** How many devices it concerns; absent: nobody can tell. */
  devices: z.int().min(0).optional(),
});
export type DraftChange = z.infer<typeof draftChange>;

/** The draft of one administrator: the changes nobody has saved yet. */
export const connectorDraft = z.strictObject({
  /** For `If-Match`. */
  etag: z.string(),
  /** Whose draft it is. */
  actor: z.string(),
  /** Version of the connector it was begun on. */
  basedOn: z.int().positive(),
  /** Version that is in force. Another one than `basedOn`: rebase before saving. */
  current: z.int().positive(),
  changedAt: z.iso.datetime().optional(),
  changes: z.array(draftChange),
  /** What stands against saving. */
  findings: z.array(finding),
  document: connectorDocument,
});
export type ConnectorDraft = z.infer<typeof connectorDraft>;

/** Whether everybody who listens for devices applies a version. */
const followed = z.strictObject({
  /** Listeners that apply it. */
  listeners: z.int().min(0),
  /** Listeners that did not say so within 5 s. They go on with what they had. */
  late: z.int().min(0),
});

export const savedConnector = z.strictObject({ etag: z.string(), document: connectorDocument, followed });
export type SavedConnector = z.infer<typeof savedConnector>;

export const connectorSummary = z.strictObject({
  name: connectorName,
  version: z.int().positive(),
  domains: z.array(domainName),
  self: z.boolean(),
  pki: z.boolean(),
  clientCas: z.int().min(0),
});

export const connectorList = z.strictObject({ connectors: z.array(connectorSummary) });
export type ConnectorList = z.infer<typeof connectorList>;

export const connectorDescription = z.strictObject({
  etag: z.string(),
  document: connectorDocument,
  /** Drafts that are open. */
  drafts: z.array(z.strictObject({ actor: z.string(), basedOn: z.int().positive(), changedAt: z.iso.datetime() })),
});
export type ConnectorDescription = z.infer<typeof connectorDescription>;

/** A revocation list that is in force. */
export const crlDescription = z.strictObject({
  /** CRL number (RFC 5280 §5.2.3), decimal. */
  number: z.string().optional(),
  thisUpdate: z.iso.datetime(),
  nextUpdate: z.iso.datetime().optional(),
  revoked: z.int().min(0),
  recordedAt: z.iso.datetime(),
  source: z.enum(['uploaded', 'fetched']),
});
export type CrlDescription = z.infer<typeof crlDescription>;

/** A Client CA that is in force, or stands in the draft of who asks. */
export const clientCaDescription = z.strictObject({
  clientCa,
  inForce: z.boolean(),
  devices: z.strictObject({
    /** All this CA vouches for. */
    total: z.int().min(0),
    /** They may log in now. */
    active: z.int().min(0),
  }),
  crl: crlDescription.optional(),
  /** Why the last fetch brought nothing. */
  crlFault: z.strictObject({ at: z.iso.datetime(), text: z.string() }).optional(),
  findings: z.array(finding),
});
export type ClientCaDescription = z.infer<typeof clientCaDescription>;

export const crlUpload = z.union([
  z.strictObject({ crl: pasted }),
  /** Fetches it now from its `url`. */
  z.strictObject({ fetch: z.literal(true) }),
]);
export type CrlUpload = z.infer<typeof crlUpload>;

/** A name only somebody with the key of the CA can get into a certificate. It works once. */
export const possessionChallenge = z.strictObject({
  commonName: z.string().min(16).max(64),
  expiresAt: z.iso.datetime(),
  /** Lines for a shell; CA.pem and CA-key.pem stand for the files of the CA. */
  commands: z.array(z.string()),
});
export type PossessionChallenge = z.infer<typeof possessionChallenge>;

export const possessionProof = z.strictObject({ certificate: pasted });

export const identityPreviewRequest = z.strictObject({
  /** The certificate of a device, with its intermediates if it has some. */
  certificate: pasted,
  against: z.enum(['draft', 'saved']).default('draft'),
});

/** What would happen if a device showed the certificate now. The device itself and its state are not looked at. */
export const identityPreview = z.discriminatedUnion('outcome', [
  z.strictObject({
    outcome: z.literal('accepted'),
    clientCa: authorityId,
    label: z.string(),
    identity: z.string(),
    findings: z.array(finding),
  }),
  z.strictObject({
    outcome: z.literal('refused'),
    clientCa: authorityId.optional(),
    label: z.string().optional(),
    reason: refusalReason,
    /** What is wrong, with the values; and what to do. */
    text: z.string(),
    remedy: z.string(),
    findings: z.array(finding),
  }),
]);
export type IdentityPreview = z.infer<typeof identityPreview>;
