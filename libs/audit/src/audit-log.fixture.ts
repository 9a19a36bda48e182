import { openSqliteStore, type Store } from '@sallyport/store';
import { temporaryDirectory } from '@sallyport/testkit';
import type { AuditEntry } from './audit-chain.js';
import { AuditLog } from './audit-log.js';

/** An empty log on a store of its own, and what a test does to it. */
export interface LogUnderTest extends AsyncDisposable {
  readonly store: Store;
  readonly audit: AuditLog;
  /** Another process of the same service. */
  replica(): AuditLog;
  /** Appends one row for each subject, one after the other. */
  append(...subjects: string[]): Promise<void>;
  /** The subjects of all rows, in order. */
  subjects(): Promise<string[]>;
}

/** Where the clock of every log stands. */
export const noon = '2026-06-01T12:00:00.000Z';

export async function openLog(): Promise<LogUnderTest> {
  const directory = temporaryDirectory();
  const store = await openSqliteStore({ file: directory.file('store.db') });
  const replica = () => new AuditLog(store, { now: () => new Date(noon) });
  const audit = replica();
  return {
    store,
    audit,
    replica,
    append: async (...subjects) => {
      for (const subject of subjects) await audit.commit({ entries: [event(subject)] });
    },
    subjects: async () => (await audit.rows(0, 1000)).rows.map(({ subject }) => subject),
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await directory.remove();
    },
  };
}

/** Something that happened to the subject. */
export function event(subject: string): AuditEntry {
  return { action: 'device-locked', actor: 'admin:alice', subject, outcome: 'succeeded', details: { b: 1, a: 'x' } };
}

/** Where the store keeps a row. */
export function rowKey(sequence: number): string {
  return `audit/row/${String(sequence).padStart(16, '0')}`;
}
