import { z } from 'zod';
import type { AdminRoute } from './admin-route.js';
import { serviceName } from './entrances.js';

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in lower-case hexadecimal');

/** One row of a service's audit log. `hash` covers every other field, `previousHash` the row before. */
export const auditRow = z.strictObject({
  /** 1, 2, 3 and so on, without a gap. */
  sequence: z.number().int().positive(),
  at: z.iso.datetime(),
  actor: z.string(),
  action: z.string(),
  /** What it is about: a device id, the id of a CA, or the name of a peer that was turned away. */
  subject: z.string(),
  outcome: z.enum(['succeeded', 'refused']),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** SHA-256 of the row before; 64 zeros for the first. */
  previousHash: hash,
  /** SHA-256 over the canonical JSON (RFC 8785) of the row without this field. */
  hash,
});
export type AuditRow = z.infer<typeof auditRow>;

export const auditQuery = z.strictObject({
  /** Rows after this sequence number. */
  after: z.coerce.number().int().min(0).default(0),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
export type AuditQuery = z.infer<typeof auditQuery>;

/** Oldest first. */
export const auditPage = z.strictObject({
  rows: z.array(auditRow),
  /** Value of `after` for the next page; absent on the last. */
  after: z.number().int().optional(),
});
export type AuditPage = z.infer<typeof auditPage>;

/** A copy of `headHash` in another place also shows when the whole log was rewritten. */
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

/** The head of a service's log at a moment, signed with the key of the service (Ed25519). */
export const auditCheckpoint = z.strictObject({
  service: serviceName,
  sequence: z.number().int().positive(),
  /** Hash of the row with that sequence number. */
  hash,
  at: z.iso.datetime(),
  /** SHA-256 over the public key. Whoever has written it down knows whether the right key signed. */
  keyId: hash,
  /** SubjectPublicKeyInfo (RFC 8410) in base64. */
  publicKey: z.base64().max(128),
  signature: z.base64().max(128),
});
export type AuditCheckpoint = z.infer<typeof auditCheckpoint>;

/** Oldest first. */
export const auditCheckpoints = z.strictObject({ checkpoints: z.array(auditCheckpoint) });
export type AuditCheckpoints = z.infer<typeof auditCheckpoints>;

/** What a service found when its store was an older copy than its journal. Counts are of this and earlier findings. */
export const olderCopy = z.strictObject({
  foundAt: z.iso.datetime(),
  /** Rows of the audit log that the store had. */
  rowsInStore: z.number().int().min(0),
  /** Rows of the audit log that the journal knew of. */
  rowsInJournal: z.number().int().min(0),
  /** Rows of the audit log that the journal has brought back. */
  rowsBroughtBack: z.number().int().min(0),
  /** Changes of the store that the journal has brought back. */
  changesBroughtBack: z.number().int().min(0),
});
export type OlderCopy = z.infer<typeof olderCopy>;

/** The journal of a service: what it must not forget, in files outside its store. */
export const journalStatus = z.strictObject({
  /** Why the journal cannot be written now. */
  fault: z.string().exactOptional(),
  /** Until somebody has acknowledged it. */
  olderCopy: olderCopy.exactOptional(),
});
export type JournalStatus = z.infer<typeof journalStatus>;

/** The audit log in the admin API of a service that keeps one. */
export const auditRoutes = {
  listRows: {
    method: 'GET',
    path: '/v1/audit',
    summary: 'Lists the rows of the audit log, oldest first.',
    query: auditQuery,
    response: auditPage,
  },
  listCheckpoints: {
    method: 'GET',
    path: '/v1/audit/checkpoints',
    summary: 'Lists signed checkpoints of the audit log, oldest first; the last is of now.',
    response: auditCheckpoints,
  },
  verify: {
    method: 'GET',
    path: '/v1/audit/verify',
    summary: 'Checks the hash chain of the audit log from its first row to its last.',
    response: auditVerdict,
  },
} as const satisfies Record<string, AdminRoute>;

/** The journal in the admin API of a service that keeps one. */
export const journalRoutes = {
  show: {
    method: 'GET',
    path: '/v1/journal',
    summary: 'Tells whether the store was found to be an older copy, and whether the journal can be written.',
    response: journalStatus,
  },
  acknowledge: {
    method: 'POST',
    path: '/v1/journal/acknowledge',
    summary: 'Says that somebody knows that the store was an older copy.',
    response: journalStatus,
  },
} as const satisfies Record<string, AdminRoute>;
