import { join } from 'node:path';
import { spawnRedis, temporaryDirectory } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  dumpRedisStore,
  dumpSqliteStore,
  fillStore,
  moveRedisStoreAside,
  openRedisStore,
  openSqliteStore,
  type Store,
  type StoreRecord,
} from './index.js';

const directory = temporaryDirectory();
let redis: Awaited<ReturnType<typeof spawnRedis>>;
beforeAll(async () => {
  redis = await spawnRedis();
});
afterAll(async () => {
  await redis.stop();
  await directory.remove();
});

let spaces = 0;

/** Two engines with a store of their own each, and how it is dumped. */
const engines = {
  SQLite: () => {
    const file = join(directory.path, `dump-${++spaces}.db`);
    return { open: () => openSqliteStore({ file }), dump: () => dumpSqliteStore(file) };
  },
  Redis: () => {
    const options = { url: redis.url, keyPrefix: `dump-${++spaces}` };
    return { open: () => openRedisStore(options), dump: () => dumpRedisStore(options) };
  },
};

async function contentOf(store: Store) {
  const entries: Record<string, unknown> = {};
  for await (const { key, value } of store.listAll('')) entries[key] = value;
  return { entries, series: await store.range('values/one') };
}

async function fill(store: Store): Promise<void> {
  for (let index = 0; index < 300; index += 1) await store.transaction([], [{ put: `key/${index}`, value: { index } }]);
  await store.put('short', 'lived', { ttlSeconds: 3600 });
  await store.transaction(
    [],
    [
      { append: 'values/one', value: 1, at: 1_000 },
      { append: 'values/one', value: 2, at: 5_000_000_000 },
    ],
  );
}

describe.each(['SQLite', 'Redis'] as const)('a dump of a store in %s', (from) => {
  it.each(['SQLite', 'Redis'] as const)('makes the same store again in %s', async (to) => {
    const [source, target] = [engines[from](), engines[to]()];
    const [original, copy] = [await source.open(), await target.open()];
    await fill(original);
    expect(await fillStore(copy, source.dump())).toBe(303);
    expect(await contentOf(copy)).toEqual(await contentOf(original));
    expect((await copy.transaction([], [{ append: 'values/one', value: 3 }])).appended).toEqual([5_000_000_001]);
    for (const store of [original, copy]) await store.close();
  });

  it('says how long an entry still lives', async () => {
    const source = engines[from]();
    const store = await source.open();
    await store.put('short', 'lived', { ttlSeconds: 3600 });
    const records: StoreRecord[] = [];
    for await (const record of source.dump()) records.push(record);
    const [short] = records;
    expect(short).toMatchObject({ put: 'short', value: 'lived' });
    expect(short !== undefined && 'ttlSeconds' in short ? short.ttlSeconds : 0).toBeGreaterThan(3000);
    await store.close();
  });

  it('is of one moment while others write', async () => {
    const source = engines[from]();
    const store = await source.open();
    await store.transaction(
      [],
      [
        { put: 'a/balance', value: 100 },
        { put: 'z/balance', value: 0 },
      ],
    );
    for (let index = 0; index < 500; index += 1) await store.put(`m/${index}`, index);
    let isDumping = true;
    const moving = (async () => {
      for (let moved = 1; isDumping && moved <= 2_000; moved += 1)
        await store.transaction(
          [],
          [
            { put: 'a/balance', value: 100 - moved },
            { put: 'z/balance', value: moved },
          ],
        );
    })();
    const target = engines.SQLite();
    const copy = await target.open();
    await fillStore(copy, source.dump());
    isDumping = false;
    await moving;
    const [a, z] = [(await copy.get('a/balance'))?.value, (await copy.get('z/balance'))?.value];
    expect(Number(a) + Number(z)).toBe(100);
    for (const opened of [store, copy]) await opened.close();
  });
});

describe('a store in Redis that is moved aside', () => {
  it('leaves an empty one in its place, and loses nothing', async () => {
    const options = { url: redis.url, keyPrefix: 'moved' };
    const store = await openRedisStore(options);
    await fill(store);
    await moveRedisStoreAside(options, 'before-1');
    expect((await contentOf(store)).entries).toEqual({});
    await store.put('after', 1);
    await moveRedisStoreAside(options, 'before-2');
    await store.close();
  });
});
