import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { BoundedMap } from '@sallyport/concurrency';
import { z } from 'zod';
import { deserialise, pageOfSeriesBytes, type SeriesRange } from './limits.js';
import type { SeriesItem } from './store.js';

const headRow = z.object({ number: z.number(), newest: z.number().nullable() });
const itemRow = z.object({ id: z.number(), value: z.string() });
const numberRow = z.object({ number: z.number() });

const mostKnownHeads = 50_000;

interface Head {
  readonly number: number;
  /** The id of the newest item; 0 if there is none. */
  newest: number;
}

/**
 * The tables of series. Items are stored by series and id, so the items of one device lie together. The name is stored
 * once, because it is longer than most items.
 */
export class SqliteSeries {
  private readonly statements: Record<keyof typeof statementTexts, StatementSync>;
  /** Numbers and newest ids, of this write transaction and of those before. */
  private readonly knownHeads = new BoundedMap<string, Head>(mostKnownHeads);
  private knownVersion = 0;
  private isCommitted = true;

  constructor(database: DatabaseSync) {
    const prepare = (text: string): StatementSync => database.prepare(text);
    this.statements = {
      head: prepare(statementTexts.head),
      create: prepare(statementTexts.create),
      append: prepare(statementTexts.append),
      trimBefore: prepare(statementTexts.trimBefore),
      trimKeep: prepare(statementTexts.trimKeep),
      dropItems: prepare(statementTexts.dropItems),
      dropName: prepare(statementTexts.dropName),
      oldestFirst: prepare(statementTexts.oldestFirst),
      newestFirst: prepare(statementTexts.newestFirst),
    };
  }

  /**
   * Call it at the begin of each write transaction. Until its end, no other process can write.
   *
   * @param dataVersion changes after a commit of another connection
   */
  startTransaction(dataVersion: number): void {
    if (!this.isCommitted || dataVersion !== this.knownVersion) this.knownHeads.clear();
    this.knownVersion = dataVersion;
    this.isCommitted = false;
  }

  /** Call it after each commit. Without it, what the transaction has learnt is forgotten. */
  endTransaction(): void {
    this.isCommitted = true;
  }

  /** In a write transaction: the id of the newest item; 0 if there is none. */
  newest(series: string): number {
    return this.head(series)?.newest ?? 0;
  }

  /** @returns the id of the item */
  append(series: string, value: string, at: number): number {
    const head = this.head(series) ?? this.create(series);
    const id = Math.max(at, head.newest + 1);
    this.statements.append.run(head.number, id, value);
    head.newest = id;
    return id;
  }

  trim(series: string, { keep, before }: { readonly keep?: number; readonly before?: number }): void {
    const head = this.head(series);
    if (head === undefined) return;
    if (before !== undefined) this.statements.trimBefore.run(head.number, Math.min(before, head.newest));
    if (keep !== undefined) this.statements.trimKeep.run(head.number, head.number, keep);
  }

  drop(series: string): void {
    const head = this.head(series);
    if (head === undefined) return;
    this.statements.dropItems.run(head.number);
    this.statements.dropName.run(head.number);
    this.knownHeads.delete(series);
  }

  range(series: string, { after, before, limit, newestFirst }: SeriesRange): SeriesItem[] {
    const statement = newestFirst ? this.statements.newestFirst : this.statements.oldestFirst;
    const items: SeriesItem[] = [];
    let bytes = 0;
    for (const row of statement.iterate(series, after, before, limit)) {
      const { id, value } = itemRow.parse(row);
      items.push({ id, value: deserialise(value) });
      bytes += value.length;
      if (bytes >= pageOfSeriesBytes) break;
    }
    return items;
  }

  private head(series: string): Head | undefined {
    const known = this.knownHeads.get(series);
    if (known !== undefined) return known;
    const row = this.statements.head.get(series);
    if (row === undefined) return undefined;
    const { number, newest } = headRow.parse(row);
    return this.remember(series, { number, newest: newest ?? 0 });
  }

  private create(series: string): Head {
    const { number } = numberRow.parse(this.statements.create.get(series));
    return this.remember(series, { number, newest: 0 });
  }

  private remember(series: string, head: Head): Head {
    this.knownHeads.set(series, head);
    return head;
  }
}

const statementTexts = {
  head: `SELECT number, (SELECT max(id) FROM series_items WHERE series = number) AS newest
         FROM series WHERE name = ?`,
  create: 'INSERT INTO series (name) VALUES (?) RETURNING number',
  append: 'INSERT INTO series_items (series, id, value) VALUES (?, ?, ?)',
  trimBefore: 'DELETE FROM series_items WHERE series = ? AND id < ?',
  trimKeep: `DELETE FROM series_items WHERE series = ? AND id <= (
               SELECT id FROM series_items WHERE series = ? ORDER BY id DESC LIMIT 1 OFFSET ? + 0)`,
  dropItems: 'DELETE FROM series_items WHERE series = ?',
  dropName: 'DELETE FROM series WHERE number = ?',
  oldestFirst: `SELECT id, value FROM series_items
                WHERE series = (SELECT number FROM series WHERE name = ?) AND id > ? AND id < ?
                ORDER BY id LIMIT ? + 0`,
  newestFirst: `SELECT id, value FROM series_items
                WHERE series = (SELECT number FROM series WHERE name = ?) AND id > ? AND id < ?
                ORDER BY id DESC LIMIT ? + 0`,
} as const;
