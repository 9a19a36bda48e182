import type { JsonValue, Operation, Store } from './store.js';

/**
 * A part of a whole store, as a change that makes it. A dump may change an entry that it has made before: only all
 * records together, in their order, are the store.
 */
export type StoreRecord =
  | { readonly put: string; readonly value: JsonValue; readonly ttlSeconds?: number }
  | { readonly delete: string }
  | { readonly append: string; readonly value: JsonValue; readonly at: number };

// Limits of a transaction: 1000 changes; and the time for which other users of the server wait.
const recordsAtOnce = 200;
const bytesAtOnce = 1024 * 1024;

/**
 * Makes every record in a store, which was empty before. Series keep their ids. Revisions are new.
 *
 * @returns how many records there were
 * @throws Problem `unavailable`, `storage-full`: as the store says
 */
export async function fillStore(store: Store, records: AsyncIterable<StoreRecord>): Promise<number> {
  let [batch, bytes, count]: [Operation[], number, number] = [[], 0, 0];
  for await (const record of records) {
    batch.push(record);
    bytes += 'value' in record ? JSON.stringify(record.value).length : 0;
    count += 1;
    if (batch.length < recordsAtOnce && bytes < bytesAtOnce) continue;
    await store.transaction([], batch);
    [batch, bytes] = [[], 0];
  }
  if (batch.length > 0) await store.transaction([], batch);
  return count;
}
