import { AuditJournal } from '@sallyport/audit';
import { Journal, type JournalChange } from '@sallyport/journal';
import type { Clock, Log } from '@sallyport/runtime';
import type { JsonValue, Store } from '@sallyport/store';
import { z } from 'zod';

export interface SignerJournalOptions {
  /** Below the signer's own prefix. */
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly folder: string;
}

/** Below these prefixes is what a signer must not forget. */
const keptPrefixes = [
  'certificate/',
  'revocation/',
  'latest-revocation/',
  'crl-number/',
  'enrolment/',
  'key-owner/',
  'authority/',
  'trust-bundle',
];

const blocked = z.looseObject({ isBlocked: z.literal(true) });
const revoked = z.looseObject({ revocation: z.looseObject({}) });
const used = z.looseObject({ use: z.looseObject({}) });
const largeNumber = z
  .string()
  .regex(/^\d{1,60}$/)
  .transform(BigInt);

/**
 * The journal of the signer: certificates, revocations, used tokens, CAs and numbers of CRLs.
 *
 * @throws NodeJS.ErrnoException: a journal that is there cannot be read
 */
export async function openSignerJournal({ folder, ...options }: SignerJournalOptions): Promise<AuditJournal> {
  const journal = await Journal.open({ folder, isKept });
  return AuditJournal.open({ ...options, journal, keptPrefixes, isKept, isPreferred });
}

/** What matters for ever. The signer recognises every other certificate by its own signature. */
function isKept(change: JournalChange): boolean {
  if ('delete' in change) return change.delete.startsWith('enrolment/');
  const { put, value } = change;
  if (put.startsWith('certificate/')) return revoked.safeParse(value).success;
  if (put.startsWith('key-owner/')) return blocked.safeParse(value).success;
  if (put.startsWith('enrolment/')) return used.safeParse(value).success;
  return keptPrefixes.some((prefix) => put.startsWith(prefix));
}

/** What was refused stays refused. Otherwise the store is right, because it may have gone another way since. */
function isPreferred(change: JournalChange, stored: JsonValue | undefined): boolean {
  if ('delete' in change) return change.delete.startsWith('enrolment/') && stored !== undefined;
  const { put, value } = change;
  if (stored === undefined) return true;
  if (put.startsWith('authority/')) return isFurther(value, stored);
  if (put === 'trust-bundle') return versionOf(value) > versionOf(stored);
  if (put.startsWith('crl-number/')) return numberOf(value) > numberOf(stored);
  if (put.startsWith('certificate/')) return revoked.safeParse(value).success && !revoked.safeParse(stored).success;
  if (put.startsWith('key-owner/')) return blocked.safeParse(value).success;
  if (put.startsWith('enrolment/')) return used.safeParse(value).success && isSameToken(value, stored);
  return false;
}

const states = ['pending', 'published', 'active', 'retiring', 'retired'] as const;
const authority = z.looseObject({ state: z.enum(states), withdrawn: z.boolean().optional() });
const version = z.looseObject({ version: z.number() });

/** A CA that was replaced does not sign again, and one that was withdrawn is never trusted again. */
function isFurther(value: JsonValue, stored: JsonValue): boolean {
  const [kept, present] = [authority.safeParse(value).data, authority.safeParse(stored).data];
  if (kept === undefined || present?.withdrawn === true) return false;
  return kept.withdrawn === true || present === undefined || states.indexOf(kept.state) > states.indexOf(present.state);
}

function versionOf(value: JsonValue): number {
  return version.safeParse(value).data?.version ?? 0;
}

function numberOf(value: JsonValue): bigint {
  return largeNumber.safeParse(value).data ?? 0n;
}

const token = z.looseObject({ secretDigest: z.string() });

function isSameToken(one: JsonValue, other: JsonValue): boolean {
  const [first, second] = [token.safeParse(one).data, token.safeParse(other).data];
  return first !== undefined && first.secretDigest === second?.secretDigest;
}
