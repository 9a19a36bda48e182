import { type LastSeen, lastSeen } from '@sallyport/protocol';
import type { Compare, Entry, JsonValue, Operation, Store } from '@sallyport/store';
import { z } from 'zod';

// A million devices that are all in contact make 4,096 writes of some 10 KB a minute, and not a million.
const bucketCount = 4096;
const prefix = 'seen/';

/** Seconds since 1970, entrance, address, contacts. */
const row = z.tuple([z.number().int(), z.string(), z.string(), z.number().int()]);
type Row = z.infer<typeof row>;
const bucket = z.record(z.string(), row);

/** What is new of a device. Absent `seen`: the device has been deleted. */
export interface SeenChange {
  readonly name: string;
  readonly seen?: LastSeen;
}

/** Names in lower case with their last contact, some hundred in one entry of the store. Keys: `seen/<number>`. */
export class SeenBuckets {
  constructor(private readonly store: Store) {}

  /** In which bucket a name is. */
  bucketOf(name: string): number {
    // FNV-1a, 32 bits.
    let hash = 0x811c9dc5;
    for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
    return (hash >>> 0) % bucketCount;
  }

  async find(name: string): Promise<LastSeen | undefined> {
    const entry = await this.store.get(keyOf(this.bucketOf(name)));
    const found = entry && rowsIn(entry).get(name);
    return found && seenOf(found);
  }

  /** Every name with its last contact, a page at a time. */
  async *all(): AsyncGenerator<[name: string, at: Date]> {
    for await (const entry of this.store.listAll(prefix, { pageSize: 20 })) yield* timesIn(entry);
  }

  /** What other replicas write, and this one. */
  async *changes(signal: AbortSignal): AsyncGenerator<[name: string, at: Date]> {
    for await (const change of this.store.watch(prefix, { signal }))
      if (change.type === 'put') yield* timesIn(change.entry);
  }

  /** Reads some buckets, and gives the steps that write them with what is new. */
  async stepsFor(changes: ReadonlyMap<number, readonly SeenChange[]>) {
    const steps = await Promise.all([...changes].map(([number, news]) => this.stepFor(number, news)));
    return { compares: steps.map(({ compare }) => compare), operations: steps.map(({ operation }) => operation) };
  }

  private async stepFor(
    number: number,
    news: readonly SeenChange[],
  ): Promise<{ compare: Compare; operation: Operation }> {
    const key = keyOf(number);
    const entry = await this.store.get(key);
    const rows = entry === undefined ? new Map<string, Row>() : rowsIn(entry);
    for (const { name, seen } of news) {
      if (seen === undefined) rows.delete(name);
      else rows.set(name, merged(rows.get(name), seen));
    }
    const value: JsonValue = Object.fromEntries(rows);
    return { compare: { key, revision: entry?.revision ?? 0 }, operation: { put: key, value } };
  }
}

function keyOf(number: number): string {
  return prefix + number.toString(16).padStart(3, '0');
}

/** Nothing, when it cannot be read: no decision depends on it. */
function rowsIn({ value }: Entry): Map<string, Row> {
  return new Map(Object.entries(bucket.safeParse(value).data ?? {}));
}

function timesIn(entry: Entry): [string, Date][] {
  return [...rowsIn(entry)].map(([name, [seconds]]) => [name, new Date(seconds * 1000)]);
}

function merged(known: Row | undefined, { at, entrance, remoteAddress, contacts }: LastSeen): Row {
  const seconds = Math.floor(Date.parse(at) / 1000);
  if (known === undefined) return [seconds, entrance, remoteAddress, contacts];
  const [knownSeconds, knownEntrance, knownAddress, knownContacts] = known;
  const total = knownContacts + contacts;
  return seconds >= knownSeconds
    ? [seconds, entrance, remoteAddress, total]
    : [knownSeconds, knownEntrance, knownAddress, total];
}

function seenOf([seconds, entrance, remoteAddress, contacts]: Row): LastSeen {
  return lastSeen.parse({ at: new Date(seconds * 1000).toISOString(), entrance, remoteAddress, contacts });
}
