import { createHash } from 'node:crypto';
import type { JsonValue } from '@sallyport/store';
import { z } from 'zod';

const digest = z.string().regex(/^[0-9a-f]{64}$/);

/** What the signer writes down. `…-intended` precedes the signature it announces. */
export const auditAction = z.enum([
  'authority-intended',
  'authority-issued',
  'authority-imported',
  'authority-state-changed',
  'authority-exported',
  'enrolment-created',
  'enrolment-withdrawn',
  'enrolment-locked',
  'certificate-intended',
  'certificate-issued',
  'request-refused',
  'certificate-revoked',
]);
export type AuditAction = z.infer<typeof auditAction>;

/** Values of one event; never a secret. */
export type AuditDetails = Readonly<Record<string, string | number | boolean>>;

/** One event, before it has its place in the chain. */
export interface AuditEvent {
  readonly action: AuditAction;
  /** Who made it happen: `device:child01`, `admin`, `signer`, `device-registry`. */
  readonly actor: string;
  readonly details: AuditDetails;
}

/** One event in its place: `hash` covers every other field, so the chain breaks where a byte changes. */
export const auditRecord = z.strictObject({
  sequence: z.number().int().positive(),
  at: z.iso.datetime(),
  action: auditAction,
  actor: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** SHA-256 of the record before; 64 zeros for the first. */
  previousHash: digest,
  hash: digest,
});
export type AuditRecord = z.infer<typeof auditRecord>;

/** End of the chain: what the next record builds on. */
export const auditHead = z.strictObject({ sequence: z.number().int().min(0), hash: digest });
export type AuditHead = z.infer<typeof auditHead>;

/** The head of a chain without records. */
export const emptyChain: AuditHead = { sequence: 0, hash: '0'.repeat(64) };

/** Gives events their places behind the head, in order. */
export function chained(head: AuditHead, events: readonly AuditEvent[], at: string): AuditRecord[] {
  let { sequence, hash: previousHash } = head;
  return events.map((event) => {
    sequence += 1;
    const unsealed = { sequence, at, ...event, details: { ...event.details }, previousHash };
    const record = { ...unsealed, hash: hashOf(unsealed) };
    previousHash = record.hash;
    return record;
  });
}

/** Whether a record follows the head and nothing in it was changed. */
export function follows(head: AuditHead, record: AuditRecord): boolean {
  const { hash, ...unsealed } = record;
  return record.sequence === head.sequence + 1 && record.previousHash === head.hash && hash === hashOf(unsealed);
}

function hashOf({ sequence, at, action, actor, details, previousHash }: Omit<AuditRecord, 'hash'>): string {
  // Names are sorted, because a store may give an object back in another order.
  const sorted: JsonValue = Object.entries(details).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([sequence, at, action, actor, sorted, previousHash]))
    .digest('hex');
}
