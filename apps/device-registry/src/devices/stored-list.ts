import { Problem } from '@sallyport/protocol';
import type { Compare, Entry, JsonValue, Operation, Store } from '@sallyport/store';
import type { z } from 'zod';

// A search reads so many entries for one answer. Then the page ends early, and its cursor goes on.
const mostRead = 5_000;

/** One page of a list, by name. */
export interface ListPage {
  readonly search?: string | undefined;
  readonly cursor?: string | undefined;
  readonly limit: number;
}

/** Entries of one kind in the store, by a name in lower case. */
export class StoredList<Item extends JsonValue> {
  constructor(
    private readonly store: Store,
    private readonly prefix: string,
    private readonly schema: z.ZodType<Item>,
  ) {}

  /** @throws Problem `internal`: what is stored cannot be read, so nobody can decide by it */
  async find(name: string): Promise<Item | undefined> {
    const entry = await this.store.get(this.keyOf(name));
    return entry && this.itemOf(entry);
  }

  /** Every item that can be read, and what must hold so that it is still the same. */
  async *all(): AsyncGenerator<{ item: Item; unchanged: Compare }> {
    for await (const { key, value, revision } of this.store.listAll(this.prefix, { pageSize: 500 })) {
      const { data: item } = this.schema.safeParse(value);
      if (item !== undefined) yield { item, unchanged: { key, revision } };
    }
  }

  /** The operation that puts an item on the list, or in the place of an older one. */
  put(name: string, item: Item): Operation {
    return { put: this.keyOf(name), value: item };
  }

  remove(name: string): Operation {
    return { delete: this.keyOf(name) };
  }

  /** Some items by name. With a search, a page may have fewer items than there are, or none, and still a cursor. */
  async page({ search, cursor, limit }: ListPage): Promise<{ items: Item[]; cursor?: string }> {
    const part = search?.toLowerCase();
    const items: Item[] = [];
    let next = cursor;
    for (let read = 0; ; ) {
      const page = await this.store.list(this.prefix, { limit, ...(next === undefined ? {} : { cursor: next }) });
      const fitting = page.entries.filter(({ key }) => part === undefined || this.nameOf(key).includes(part));
      // A page of the store is taken whole or not at all, so that its cursor fits.
      if (items.length > 0 && items.length + fitting.length > limit) break;
      items.push(...fitting.map((entry) => this.itemOf(entry)));
      next = page.cursor;
      read += page.entries.length;
      if (next === undefined || items.length >= limit || read >= mostRead) break;
    }
    return next === undefined ? { items } : { items, cursor: next };
  }

  private nameOf(key: string): string {
    return key.slice(this.prefix.length);
  }

  private keyOf(name: string): string {
    return this.prefix + name.toLowerCase();
  }

  private itemOf({ key, value }: Entry): Item {
    const { data, error } = this.schema.safeParse(value);
    if (data !== undefined) return data;
    throw new Problem('internal', `What the store holds under "${key}" is not readable. Restore a backup.`, {
      cause: error,
    });
  }
}
