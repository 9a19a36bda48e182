import { setImmediate } from 'node:timers/promises';

/** What a value may hold: JSON. Undefined members are left out, as in JSON. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue | undefined };

/** One key and its present value. */
export interface Entry {
  readonly key: string;
  readonly value: JsonValue;
  /** Number of the change that wrote the value. Store-wide and strictly increasing (etcd's mod_revision). */
  readonly revision: number;
}

/** A condition of a transaction. */
export type Condition = Compare | SeriesCompare;

/** The key has this revision. 0 means that it does not exist. */
export interface Compare {
  readonly key: string;
  readonly revision: number;
}

/** The newest item of the series has this id. 0 means that there is none. */
export interface SeriesCompare {
  readonly series: string;
  readonly newest: number;
}

/** One change of a transaction: of an entry, or of a series. */
export type Operation = EntryOperation | SeriesOperation;

/** `ttlSeconds` counts from the commit, see `PutOptions`. To delete a missing key changes nothing. */
export type EntryOperation =
  | { readonly put: string; readonly value: JsonValue; readonly ttlSeconds?: number }
  | { readonly delete: string };

/**
 * - `append` adds an item at the end. Its id is `at`, or the id of the newest item plus one if that is larger. So ids of a
 *   series are strictly increasing. A time in microseconds is a good `at`.
 * - `trim` removes items with an id smaller than `before`, and all but the newest `keep`. The newest item always stays,
 *   because it holds the counter of ids.
 * - `drop` removes the whole series. A later `append` starts it again.
 */
export type SeriesOperation =
  | { readonly append: string; readonly value: JsonValue; readonly at?: number }
  | { readonly trim: string; readonly keep?: number; readonly before?: number }
  | { readonly drop: string };

/** One item of a series. */
export interface SeriesItem {
  readonly id: number;
  readonly value: JsonValue;
}

export interface RangeOptions {
  /** Only items with a larger id. */
  readonly after?: number;
  /** Only items with a smaller id. */
  readonly before?: number;
  /** Default 100, at most 1000. */
  readonly limit?: number;
  /** Default: oldest first. */
  readonly newestFirst?: boolean;
}

/** One change as a watch reports it. Each has its own revision, also in a transaction. */
export type WatchEvent =
  | { readonly type: 'put'; readonly entry: Entry }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number };

export interface Page {
  /** Opaque; from the page before. */
  readonly cursor?: string;
  /** Default 100, at most 1000. */
  readonly limit?: number;
}

export interface ListOptions {
  /** Entries read at once, 1 to 1000. A larger page blocks other work of this process for longer. */
  readonly pageSize?: number;
}

export interface EntryPage {
  readonly entries: Entry[];
  /** Absent on the last page. */
  readonly cursor?: string;
}

export interface PutOptions {
  /** Write only when the key still has this revision; 0 means that it must not exist. */
  readonly ifRevision?: number;
  /**
   * The entry is deleted after this many seconds, and a watch reports it. Only time in which a process had the store
   * open counts, so an entry may live longer. It is measured with monotonic clocks: a wrong time of day deletes nothing
   * and hides nothing.
   */
  readonly ttlSeconds?: number;
}

export interface DeleteOptions {
  /** Delete only when the key still has this revision. */
  readonly ifRevision?: number;
}

export interface WatchOptions {
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** Start after this revision instead of now. */
  readonly afterRevision?: number;
}

export interface TransactionOutcome {
  readonly committed: boolean;
  /** The revision of the last change of an entry; if none changed, the newest revision of the store. */
  readonly revision: number;
  /** The ids of the appended items, in the order of the operations. */
  readonly appended: readonly number[];
}

// To read and parse this many takes two or three milliseconds, and blocks the event loop.
const entriesAtOnce = 200;

/**
 * A small key-value store with an API like etcd's, and with series. It is an abstract class, so that it is both
 * interface and Nest token.
 *
 * A series is a list that grows at its end, such as the values of a device. Its name follows the rules of keys, but it is
 * no key: `list` does not show it, and `watch` does not report its changes. So an item costs much less than an entry.
 *
 * Keys are non-empty segments joined by `/`, at most 512 bytes of UTF-8, in byte order. Values are JSON of at most 1
 * MiB. After a write has resolved, it survives a crash of the process. Every call has a deadline of 5 s.
 *
 * Every method throws Problem `unavailable` if the engine does not answer (a write may have happened or not),
 * `storage-full` if there is no room for a write, and `invalid-request` for a key, prefix, cursor or limit against the
 * rules.
 */
export abstract class Store {
  abstract get(key: string): Promise<Entry | undefined>;

  /** Entries whose key starts with the prefix, in key order. The prefix may end inside a segment. */
  abstract list(prefix: string, page?: Page): Promise<EntryPage>;

  /**
   * Every entry whose key starts with the prefix, in key order. Entries that are written or deleted in the meantime may
   * be listed or not. Each other entry is listed once.
   */
  async *listAll(prefix: string, options?: ListOptions): AsyncGenerator<Entry> {
    for await (const page of this.listPages(prefix, options)) yield* page;
  }

  /** As `listAll`, for callers that handle a whole page at once. */
  async *listPages(prefix: string, { pageSize = entriesAtOnce }: ListOptions = {}): AsyncGenerator<Entry[]> {
    let cursor: string | undefined;
    do {
      const page = await this.list(prefix, { limit: pageSize, ...(cursor === undefined ? {} : { cursor }) });
      yield page.entries;
      cursor = page.cursor;
      // A store in this process answers at once. Without a pause, other work would wait for the whole list.
      await setImmediate();
    } while (cursor !== undefined);
  }

  /**
   * @returns the new revision
   * @throws Problem `conflict`: `ifRevision` does not hold; nothing was written
   */
  abstract put(key: string, value: JsonValue, options?: PutOptions): Promise<number>;

  /**
   * @returns whether the key existed
   * @throws Problem `conflict`: `ifRevision` does not hold; nothing was deleted
   */
  abstract delete(key: string, options?: DeleteOptions): Promise<boolean>;

  /** Makes every change, in order. If one condition does not hold, makes none. */
  abstract transaction(conditions: readonly Condition[], operations: readonly Operation[]): Promise<TransactionOutcome>;

  /**
   * Items of a series. A page may have fewer items than `limit` although more follow: it ends after 1 MiB of values. Only
   * an empty page is the end.
   */
  abstract range(series: string, options?: RangeOptions): Promise<SeriesItem[]>;

  /**
   * Reports every change of an entry below the prefix once, in order, until the signal aborts. It starts with the first change
   * after this call, or after `afterRevision`. It survives a lost connection. To continue a watch later, give the
   * revision of the last handled event. Old changes are kept for a limited time.
   *
   * @throws Problem `conflict`: changes after `afterRevision` are no longer kept. List the prefix again, and continue
   * from the newest revision
   */
  abstract watch(prefix: string, options: WatchOptions): AsyncIterable<WatchEvent>;

  /** Ends every watch and closes the engine. Safe to call twice. */
  abstract close(): Promise<void>;
}
