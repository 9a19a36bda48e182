import { setImmediate } from 'node:timers/promises';

/** What a value may hold: what survives JSON. A member that is undefined is left out, as JSON does. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue | undefined };

/** One key and its present value. */
export interface Entry {
  readonly key: string;
  readonly value: JsonValue;
  /** Number of the change that wrote the value; store-wide and strictly increasing (etcd's mod_revision). */
  readonly revision: number;
}

/** A condition of a transaction: the key has this revision; 0 means that it does not exist. */
export interface Compare {
  readonly key: string;
  readonly revision: number;
}

/**
 * One change of a transaction. `ttlSeconds` counts from the commit, see `PutOptions`; deleting a missing key changes
 * nothing.
 */
export type Operation =
  | { readonly put: string; readonly value: JsonValue; readonly ttlSeconds?: number }
  | { readonly delete: string };

/** One change as a watch reports it; each has a revision of its own, also within a transaction. */
export type WatchEvent =
  | { readonly type: 'put'; readonly entry: Entry }
  | { readonly type: 'delete'; readonly key: string; readonly revision: number };

export interface Page {
  /** Opaque; from the page before. */
  readonly cursor?: string;
  /** Default 100, at most 1000. */
  readonly limit?: number;
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
   * The entry disappears, and a watch sees it deleted, after this many seconds in which the store was open somewhere.
   * They are measured with monotonic clocks: a time of day that is wrong deletes nothing, and hides nothing. A time in
   * which nothing ran does not count, so an entry may live longer than it says.
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
  /** Of the last change made; when nothing changed, the newest revision of the store. */
  readonly revision: number;
}

// Reading and parsing so many takes two or three milliseconds, in which nothing else is done.
const entriesAtOnce = 200;

/**
 * A small key-value store in the shape of etcd's API. An abstract class, so that it is interface and Nest token in one.
 *
 * Keys are non-empty segments joined by `/`, at most 512 bytes of UTF-8, ordered bytewise. Values are JSON of at most
 * 1 MiB. A write that resolved survives the death of the process. Every call has a deadline of 5 s.
 *
 * Every method throws Problem `unavailable` when the engine does not answer (a write may then have happened or not),
 * `storage-full` when a write finds no room, and `invalid-request` for a key, prefix, cursor or limit outside the rules.
 */
export abstract class Store {
  abstract get(key: string): Promise<Entry | undefined>;

  /** Entries whose key starts with the prefix (which may end inside a segment), in key order. */
  abstract list(prefix: string, page?: Page): Promise<EntryPage>;

  /**
   * Every entry whose key starts with the prefix, in key order. An entry that is written or deleted meanwhile may be seen or
   * not; each other is seen once.
   *
   * @param pageSize entries read at once, 1 to 1000; larger pages hold up other work of this process for longer
   */
  async *listAll(
    prefix: string,
    { pageSize = entriesAtOnce }: { readonly pageSize?: number } = {},
  ): AsyncGenerator<Entry> {
    let cursor: string | undefined;
    do {
      const page = await this.list(prefix, { limit: pageSize, ...(cursor === undefined ? {} : { cursor }) });
      yield* page.entries;
      cursor = page.cursor;
      // A store in this process answers without waiting for anything: other work would wait for the whole list.
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

  /** Makes every change, in order, or, when one condition does not hold, none. */
  abstract transaction(compares: readonly Compare[], operations: readonly Operation[]): Promise<TransactionOutcome>;

  /**
   * Reports every change below the prefix once, in order, starting with the first after this call (or after
   * `afterRevision`), until the signal aborts. It outlives a lost connection. Take it up again with the revision of the
   * last event handled; what a reader is too slow for is kept for a bounded time only.
   *
   * @throws Problem `conflict`: changes after `afterRevision` are no longer kept; list the prefix again and go on from
   * the newest revision
   */
  abstract watch(prefix: string, options: WatchOptions): AsyncIterable<WatchEvent>;

  /** Ends every watch and releases the engine. Safe to call twice. */
  abstract close(): Promise<void>;
}
