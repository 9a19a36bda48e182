import type { Journal, JournalChange, JournalEntry, OwnedEntry } from '@sallyport/journal';
import { type AuditRow, type JournalStatus, type OlderCopy } from '@sallyport/protocol';
import { FaultLog, type Log, reasonOf } from '@sallyport/runtime';
import type { Operation, Store } from '@sallyport/store';
import type { AuditHead } from './audit-chain.js';
import { sealRows } from './audit-chain.js';
import type { AuditLogClock } from './audit-log.js';
import {
  exactReplay,
  type Forgotten,
  findingIn,
  findingKey,
  follows,
  forgotten,
  isTaken,
  knowsRow,
  looseReplay,
  type Preference,
  type Replay,
  takenOperations,
  untilDone,
} from './older-copy.js';
import { appendOperations, headKey, placeAfter, readHead, readRows } from './stored-log.js';

export interface AuditJournalOptions {
  /** The service's part of the store. */
  readonly store: Store;
  readonly clock: AuditLogClock;
  readonly log: Log;
  readonly journal: Journal;
  /** Below these prefixes is what is written into a new journal when the old one is lost. */
  readonly keptPrefixes: readonly string[];
  readonly isKept: (change: JournalChange) => boolean;
  readonly isPreferred: Preference;
}

/** Keys that mean nothing in another copy of the store. */
const passing = ['outbox/', 'journal/', 'readiness/'];
const changesAtOnce = 100;

/**
 * Writes each change of a service into its journal, and finds out when the store is an older copy. Then it brings back
 * what the store has forgotten: what was refused stays refused.
 *
 * The audit log is the measure. Each change of state has rows in it, in the same transaction. If the store does not know
 * the row at which the journal ends, it has forgotten something.
 */
export class AuditJournal {
  private readonly faults: FaultLog;
  private fault: string | undefined;
  private origin: string | undefined;
  /** The journal lacks changes that the store has. */
  private isBehind = false;
  private catchingUp: Promise<void> | undefined;

  private constructor(private readonly options: AuditJournalOptions) {
    const { log, clock } = options;
    this.faults = new FaultLog(log, clock, 'the journal of the service could not be written, will be tried again');
  }

  /** Finds out whether the store is an older copy, and brings back what it has forgotten. */
  static async open(options: AuditJournalOptions): Promise<AuditJournal> {
    const journal = new AuditJournal(options);
    await journal.check();
    await journal.noteGap();
    return journal;
  }

  /** Call it after each transaction, before its caller is answered. Never rejects: the store has the change. */
  async note(operations: readonly Operation[], rows: readonly AuditRow[]): Promise<void> {
    const changes = operations.flatMap(changeOf);
    try {
      const { sequence, hash } = rows.at(-1) ?? (await readHead(this.options.store)).head;
      if (sequence === 0) return;
      await this.append({ origin: await this.originOf(rows[0]), sequence, hash, rows: [...rows], changes });
    } catch {
      // The store could not be asked. It has the change, and the next check writes it.
      this.isBehind = true;
    }
  }

  /** Whether a head is from before what this process has written. Reads nothing, so it costs little. */
  isForgottenBy({ sequence }: AuditHead): boolean {
    const { newest } = this.options.journal;
    return newest !== undefined && newest.origin === this.origin && sequence < newest.sequence;
  }

  /**
   * Compares journal and store, and brings back what the store has forgotten. What could not be written into the journal
   * is written now.
   *
   * @throws Problem `unavailable`: the store does not answer, or is too busy
   */
  async check(): Promise<void> {
    const { store } = this.options;
    if ((await readHead(store)).head.sequence === 0) return;
    const origin = await this.originOf();
    for (const owned of await this.newestOfEach(origin))
      if (!((await knowsRow(store, owned.entry)) || (await isTaken(store, owned)))) {
        await this.bringBack(origin);
        break;
      }
    if (this.isBehind) this.catchUpSoon(origin);
  }

  /** A crash came between the store and the journal, or the journal is lost. */
  private async noteGap(): Promise<void> {
    const { head } = await readHead(this.options.store);
    if (head.sequence === 0) return;
    const origin = await this.originOf();
    const sequences = (await this.newestOfEach(origin)).map(({ entry }) => entry.sequence);
    if (Math.max(0, ...sequences) < head.sequence) this.catchUpSoon(origin);
  }

  async status(): Promise<JournalStatus> {
    const found = await findingIn(this.options.store);
    const { fault } = this;
    return {
      ...(fault === undefined ? {} : { fault }),
      ...(found === undefined ? {} : { olderCopy: found }),
    };
  }

  /** Resolves when the journal has what it lacked. */
  async settled(): Promise<void> {
    await this.catchingUp;
  }

  /** The change that forgets the finding. */
  readonly acknowledgement: Operation = { delete: findingKey };

  private async newestOfEach(origin: string): Promise<OwnedEntry[]> {
    try {
      return (await this.options.journal.newestOfEach()).filter(({ entry }) => entry.origin === origin);
    } catch (error) {
      this.noteFault(error);
      return [];
    }
  }

  private async bringBack(origin: string): Promise<void> {
    const { store, journal, log } = this.options;
    const rowsInStore = (await readHead(store)).head.sequence;
    const missing = await forgotten(store, journal.entries(), origin);
    const counts = { rows: 0, changes: 0 };
    for (const entry of missing.entries) await this.replay(entry, counts);
    const finding = await this.findingOf(missing, rowsInStore, counts);
    await this.report(finding, missing);
    log.warn(
      { ...finding },
      'the store was an older copy; the journal has brought back what it had forgotten. See "sallyport doctor"',
    );
  }

  private async replay(entry: JournalEntry, counts: { rows: number; changes: number }): Promise<void> {
    const { store } = this.options;
    await untilDone(async () => {
      const stored = await readHead(store);
      // Another replica may have brought it back meanwhile.
      if (entry.rows.length > 0 && (await knowsRow(store, entry))) return true;
      if (!follows(stored.head, entry)) {
        await this.replayLoosely(entry, counts);
        return true;
      }
      if (!(await this.commit(exactReplay(stored, entry)))) return undefined;
      counts.rows += entry.rows.length;
      counts.changes += entry.changes.length;
      return true;
    });
  }

  /** In several transactions: each change has a condition too, and the store accepts 1,000 of both together. */
  private async replayLoosely(entry: JournalEntry, counts: { changes: number }): Promise<void> {
    for (let first = 0; first < entry.changes.length; first += changesAtOnce) {
      const changes = entry.changes.slice(first, first + changesAtOnce);
      counts.changes += await this.replayPart({ ...entry, changes });
    }
  }

  /** @returns how many changes were preferred */
  private replayPart(part: JournalEntry): Promise<number> {
    const { store, isPreferred } = this.options;
    return untilDone(async () => {
      const replay = await looseReplay(store, part, isPreferred);
      return (await this.commit(replay)) ? replay.operations.length : undefined;
    });
  }

  private async commit({ compares, operations }: Replay): Promise<boolean> {
    if (operations.length === 0) return true;
    return (await this.options.store.transaction(compares, operations)).committed;
  }

  private async findingOf(
    missing: Forgotten,
    rowsInStore: number,
    counts: { readonly rows: number; readonly changes: number },
  ): Promise<OlderCopy> {
    const { store, clock } = this.options;
    const earlier = await findingIn(store);
    return {
      foundAt: clock.now().toISOString(),
      rowsInStore: earlier?.rowsInStore ?? rowsInStore,
      rowsInJournal: missing.entries.at(-1)?.sequence ?? rowsInStore,
      rowsBroughtBack: counts.rows + (earlier?.rowsBroughtBack ?? 0),
      changesBroughtBack: counts.changes + (earlier?.changesBroughtBack ?? 0),
    };
  }

  /** Writes the finding and its row in the audit log. */
  private async report(finding: OlderCopy, missing: Forgotten): Promise<void> {
    const { store, clock } = this.options;
    const { foundAt: _at, ...details } = finding;
    const entry = {
      action: 'older-copy-found',
      actor: 'journal',
      subject: 'store',
      outcome: 'succeeded',
      details,
    } as const;
    const changes = [{ put: findingKey, value: finding }, ...takenOperations(missing)];
    const rows = await untilDone(async () => {
      const stored = await readHead(store);
      const rows = sealRows(stored.head, [entry], clock.now().toISOString());
      const { sequence, hash } = rows.at(-1) ?? stored.head;
      const operations = [...changes, ...appendOperations(rows, { sequence, hash })];
      const compares = [{ key: headKey, revision: stored.revision }, placeAfter(stored.head)];
      return (await this.commit({ compares, operations })) ? rows : undefined;
    });
    await this.note(changes, rows);
  }

  /** Writes into the journal what must not be forgotten, as the store has it now. */
  private async catchUp(origin: string): Promise<void> {
    const { store, keptPrefixes, isKept } = this.options;
    const { head } = await readHead(store);
    const at = { origin, ...head, rows: [] };
    this.isBehind = false;
    for (const prefix of keptPrefixes)
      for await (const entries of store.listPages(prefix, { pageSize: changesAtOnce })) {
        const changes = entries.map(({ key, value }) => ({ put: key, value })).filter(isKept);
        if (changes.length > 0) await this.append({ ...at, changes });
      }
    await this.append({ ...at, changes: [] });
  }

  /** A large fleet takes a while, and nobody waits for it. */
  private catchUpSoon(origin: string): void {
    this.catchingUp ??= this.catchUp(origin)
      .catch(() => {
        // The store does not answer or is closed. The next check tries again.
        this.isBehind = true;
      })
      .finally(() => {
        this.catchingUp = undefined;
      });
  }

  /** Never rejects. What is not written now is written with a later check. */
  private async append(entry: JournalEntry): Promise<void> {
    try {
      await this.options.journal.append(entry);
      this.fault = undefined;
    } catch (error) {
      this.isBehind = true;
      this.noteFault(error);
    }
  }

  /** The hash of the first row of the log. */
  private async originOf(row?: AuditRow): Promise<string> {
    if (row?.sequence === 1) this.origin = row.hash;
    this.origin ??= (await readRows(this.options.store, [1]))[0]?.hash;
    if (this.origin === undefined) throw new Error('the first row of the audit log cannot be read');
    return this.origin;
  }

  private noteFault(error: unknown): void {
    this.fault = reasonOf(error);
    this.faults.note(error);
  }
}

function isPassing(key: string): boolean {
  return passing.some((prefix) => key.startsWith(prefix));
}

/** A change as the journal keeps it; none for a series, and for what means nothing in another copy. */
function changeOf(operation: Operation): JournalChange[] {
  if ('delete' in operation) return isPassing(operation.delete) ? [] : [{ delete: operation.delete }];
  if (!('put' in operation) || isPassing(operation.put)) return [];
  const { put, value, ttlSeconds } = operation;
  return [{ put, value, ...(ttlSeconds === undefined ? {} : { ttlSeconds }) }];
}
