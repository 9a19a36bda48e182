import { Problem } from '@sallyport/protocol';
import {
  type Condition,
  type DeleteOptions,
  type Entry,
  type EntryPage,
  type JsonValue,
  type Operation,
  type Page,
  type PutOptions,
  type RangeOptions,
  type SeriesItem,
  Store,
  type TransactionOutcome,
  type WatchEvent,
  type WatchOptions,
} from './store.js';

/**
 * The part of a store below a prefix, such as `device-registry/`. Its keys are written without the prefix, and no key
 * outside can be reached. `close()` does nothing: the caller that opened the whole store closes it.
 *
 * @throws Problem `invalid-request`: the prefix does not end in `/`.
 */
export function scopedStore(store: Store, prefix: string): Store {
  if (!prefix.endsWith('/'))
    throw new Problem('invalid-request', `The scope ${JSON.stringify(prefix)} does not end in "/".`);
  return store instanceof ScopedStore ? store.narrowed(prefix) : new ScopedStore(store, prefix);
}

class ScopedStore extends Store {
  constructor(
    private readonly store: Store,
    private readonly scope: string,
  ) {
    super();
  }

  /** A scope within this one. It translates each name only once. */
  narrowed(prefix: string): ScopedStore {
    return new ScopedStore(this.store, this.scope + prefix);
  }

  override async get(key: string): Promise<Entry | undefined> {
    const entry = await this.store.get(this.inside(key));
    return entry && this.outside(entry);
  }

  override async list(prefix: string, page?: Page): Promise<EntryPage> {
    const { entries, ...rest } = await this.store.list(this.inside(prefix), page);
    return { entries: entries.map((entry) => this.outside(entry)), ...rest };
  }

  override put(key: string, value: JsonValue, options?: PutOptions): Promise<number> {
    return this.store.put(this.inside(key), value, options);
  }

  override delete(key: string, options?: DeleteOptions): Promise<boolean> {
    return this.store.delete(this.inside(key), options);
  }

  override transaction(compares: readonly Condition[], operations: readonly Operation[]): Promise<TransactionOutcome> {
    return this.store.transaction(
      compares.map((compare) =>
        'key' in compare
          ? { ...compare, key: this.inside(compare.key) }
          : { ...compare, series: this.inside(compare.series) },
      ),
      operations.map((operation) => this.operationInside(operation)),
    );
  }

  override range(series: string, options?: RangeOptions): Promise<SeriesItem[]> {
    return this.store.range(this.inside(series), options);
  }

  override watch(prefix: string, options: WatchOptions): AsyncIterable<WatchEvent> {
    return this.unscoped(this.store.watch(this.inside(prefix), options));
  }

  override async close(): Promise<void> {}

  private operationInside(operation: Operation): Operation {
    if ('put' in operation) return { ...operation, put: this.inside(operation.put) };
    if ('delete' in operation) return { delete: this.inside(operation.delete) };
    if ('append' in operation) return { ...operation, append: this.inside(operation.append) };
    if ('trim' in operation) return { ...operation, trim: this.inside(operation.trim) };
    return { drop: this.inside(operation.drop) };
  }

  private inside(key: string): string {
    return this.scope + key;
  }

  private outside(entry: Entry): Entry {
    return { ...entry, key: entry.key.slice(this.scope.length) };
  }

  private async *unscoped(events: AsyncIterable<WatchEvent>): AsyncGenerator<WatchEvent> {
    for await (const event of events)
      yield event.type === 'put'
        ? { ...event, entry: this.outside(event.entry) }
        : { ...event, key: event.key.slice(this.scope.length) };
  }
}
