import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnRedis } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openRedisStore, openSqliteStore, type Store, scopedStore, type WatchEvent } from './index.js';

interface OpenOptions {
  readonly retainedChanges?: number;
  readonly clock?: () => number;
}

interface Engine {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A store of the test's own; the same space opens the same store again, as another process would. */
  open(space: string, options?: OpenOptions): Promise<Store>;
}

function sqliteEngine(): Engine {
  let directory = '';
  return {
    name: 'SQLite',
    start: async () => {
      directory = await mkdtemp(join(tmpdir(), 'sallyport-store-'));
    },
    stop: () => rm(directory, { recursive: true, force: true }),
    open: (space, options) => openSqliteStore({ file: join(directory, `${space}.db`), ...options }),
  };
}

function redisEngine(): Engine {
  let redis: Awaited<ReturnType<typeof spawnRedis>> | undefined;
  return {
    name: 'Redis',
    start: async () => {
      redis = await spawnRedis();
    },
    stop: async () => redis?.stop(),
    open: (space, options) => openRedisStore({ url: redis?.url ?? '', keyPrefix: space, ...options }),
  };
}

let spaces = 0;

describe.each([sqliteEngine(), redisEngine()])('store on $name', (engine) => {
  const opened: Store[] = [];
  const open = async (space = `space-${++spaces}`, options?: OpenOptions): Promise<Store> => {
    const store = await engine.open(space, options);
    opened.push(store);
    return store;
  };

  beforeAll(() => engine.start());
  afterAll(async () => {
    await Promise.all(opened.map((store) => store.close()));
    await engine.stop();
  });

  describe('keys and values', () => {
    it('gives back what was put, with its revision', async () => {
      const store = await open();
      const value = { text: 'é\n"', list: [1, 2.5, null, true, []], nested: { empty: {} } };
      const revision = await store.put('devices/child01', value);
      expect(await store.get('devices/child01')).toEqual({ key: 'devices/child01', value, revision });
    });

    it('leaves out a member that is undefined', async () => {
      const store = await open();
      await store.put('a', { kept: 1, left: undefined });
      expect(Object.keys(Object((await store.get('a'))?.value))).toEqual(['kept']);
    });

    it('has nothing under a key nobody wrote', async () => {
      expect(await (await open()).get('devices/child01')).toBeUndefined();
    });

    it.each(['', '/a', 'a/', 'a//b', 'a\nb', 'a\0b', '\ud800', 'x'.repeat(513)])('refuses the key %j', async (key) => {
      const store = await open();
      await expect(store.put(key, 1)).rejects.toMatchObject({ type: 'invalid-request' });
      await expect(store.get(key)).rejects.toMatchObject({ type: 'invalid-request' });
    });

    it('takes a value of 1 MiB and refuses a larger one', async () => {
      const store = await open();
      await store.put('largest', 'x'.repeat(1024 * 1024 - 2));
      await expect(store.put('larger', 'x'.repeat(1024 * 1024 - 1))).rejects.toMatchObject({ type: 'too-large' });
      expect(await store.get('larger')).toBeUndefined();
    });

    it('numbers every change of the store higher than the one before', async () => {
      const store = await open();
      const first = await store.put('a', 1);
      const second = await store.put('b', 1);
      await store.delete('b');
      expect(second).toBeGreaterThan(first);
      expect(await store.put('a', 2)).toBeGreaterThan(second + 1);
    });

    it('is the same store for everybody who opens it', async () => {
      const space = `space-${++spaces}`;
      const [one, other] = [await open(space), await open(space)];
      const revision = await one.put('a', 'from one');
      expect(await other.get('a')).toEqual({ key: 'a', value: 'from one', revision });
    });
  });

  describe('conditions', () => {
    it('creates a key only once when it must be absent', async () => {
      const store = await open();
      await store.put('a', 'first', { ifRevision: 0 });
      await expect(store.put('a', 'second', { ifRevision: 0 })).rejects.toMatchObject({ type: 'conflict' });
      expect((await store.get('a'))?.value).toBe('first');
    });

    it('overwrites only the revision that was read', async () => {
      const store = await open();
      const read = await store.put('a', 1);
      await store.put('a', 2);
      await expect(store.put('a', 3, { ifRevision: read })).rejects.toMatchObject({ type: 'conflict' });
      expect((await store.get('a'))?.value).toBe(2);
    });

    it('deletes only the revision that was read', async () => {
      const store = await open();
      const read = await store.put('a', 1);
      const current = await store.put('a', 2);
      await expect(store.delete('a', { ifRevision: read })).rejects.toMatchObject({ type: 'conflict' });
      expect(await store.delete('a', { ifRevision: current })).toBe(true);
      expect(await store.delete('a')).toBe(false);
    });

    it('lets exactly one of fifty first creations win', async () => {
      const space = `space-${++spaces}`;
      const stores = [await open(space), await open(space)];
      const outcomes = await Promise.allSettled(
        Array.from({ length: 50 }, (_, writer) =>
          stores[writer % 2]?.put('devices/child01', writer, { ifRevision: 0 }),
        ),
      );
      const losers = outcomes.filter(({ status }) => status === 'rejected');
      expect(losers).toHaveLength(49);
      const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
      expect((await stores[0]?.get('devices/child01'))?.value).toBe(winner);
    });

    it('loses no increment of fifty writers that read, compare and retry', async () => {
      const store = await open();
      await store.put('counter', 0);
      const increment = async (): Promise<void> => {
        for (;;) {
          const entry = await store.get('counter');
          const outcome = await store.transaction(
            [{ key: 'counter', revision: entry?.revision ?? 0 }],
            [{ put: 'counter', value: Number(entry?.value) + 1 }],
          );
          if (outcome.committed) return;
        }
      };
      await Promise.all(Array.from({ length: 50 }, increment));
      expect((await store.get('counter'))?.value).toBe(50);
    });
  });

  describe('transactions', () => {
    it('makes every change when every condition holds', async () => {
      const store = await open();
      const revision = await store.put('device', 'active');
      const outcome = await store.transaction(
        [
          { key: 'device', revision },
          { key: 'audit/1', revision: 0 },
        ],
        [{ put: 'audit/1', value: 'locked' }, { put: 'device', value: 'locked' }, { delete: 'nothing' }],
      );
      expect(outcome).toEqual({ committed: true, revision: revision + 2 });
      expect((await store.get('device'))?.value).toBe('locked');
      expect((await store.get('audit/1'))?.value).toBe('locked');
    });

    it('makes no change when one condition does not hold', async () => {
      const store = await open();
      const revision = await store.put('device', 'active');
      const outcome = await store.transaction(
        [
          { key: 'device', revision },
          { key: 'audit/1', revision: 7 },
        ],
        [{ put: 'audit/1', value: 'locked' }, { delete: 'device' }],
      );
      expect(outcome).toEqual({ committed: false, revision });
      expect((await store.list('')).entries).toEqual([{ key: 'device', value: 'active', revision }]);
    });

    it('makes no change when one value is too large', async () => {
      const store = await open();
      const operations = [
        { put: 'a', value: 1 },
        { put: 'b', value: 'x'.repeat(1024 * 1024) },
      ];
      await expect(store.transaction([], operations)).rejects.toMatchObject({ type: 'too-large' });
      expect((await store.list('')).entries).toEqual([]);
    });

    it('is seen whole or not at all by a reader', async () => {
      const store = await open();
      const write = async (): Promise<void> => {
        for (let round = 1; round <= 50; round += 1)
          await store.transaction(
            [],
            [
              { put: 'pair/a', value: round },
              { put: 'pair/b', value: round },
            ],
          );
      };
      const torn: unknown[] = [];
      let isWriting = true;
      const read = async (): Promise<void> => {
        while (isWriting) {
          const [a, b] = (await store.list('pair/')).entries;
          if (a?.value !== b?.value) torn.push([a, b]);
          await new Promise(setImmediate);
        }
      };
      const reading = read();
      await write();
      isWriting = false;
      await reading;
      expect(torn).toEqual([]);
    });
  });

  describe('lists', () => {
    it('gives the entries below a prefix in byte order', async () => {
      const store = await open();
      for (const key of ['d/b', 'd/a/x', 'd/a', 'd/B', 'd/é', 'd/a-b', 'e', 'c/z']) await store.put(key, key);
      const { entries, cursor } = await store.list('d/');
      expect(entries.map(({ key }) => key)).toEqual(['d/B', 'd/a', 'd/a-b', 'd/a/x', 'd/b', 'd/é']);
      expect(cursor).toBeUndefined();
    });

    it('pages through all entries without repeating or missing one', async () => {
      const store = await open();
      const keys = Array.from({ length: 25 }, (_, index) => `d/${String(index).padStart(2, '0')}`);
      await store.transaction(
        [],
        keys.map((key) => ({ put: key, value: key })),
      );
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const page = await store.list('d/', { limit: 10, ...(cursor === undefined ? {} : { cursor }) });
        seen.push(...page.entries.map(({ key }) => key));
        cursor = page.cursor;
      } while (cursor !== undefined);
      expect(seen).toEqual(keys);
    });

    it.each([0, 1001, 1.5])('refuses a page of %d entries', async (limit) => {
      await expect((await open()).list('', { limit })).rejects.toMatchObject({ type: 'invalid-request' });
    });

    it.each([1, 2, 3, 250])('are read one after the other, %i at once', async (pageSize) => {
      const store = await open();
      for (const key of ['a/1', 'a/2', 'a/3', 'b/1']) await store.put(key, key);
      const keys: string[] = [];
      for await (const { key } of scopedStore(store, 'a/').listAll('', { pageSize })) keys.push(key);
      expect(keys).toEqual(['1', '2', '3']);
    });

    it('let other work go on between two pages', async () => {
      const store = await open();
      for (const key of ['a', 'b', 'c']) await store.put(key, key);
      const seen: string[] = [];
      setImmediate(() => seen.push('other work'));
      for await (const { key } of store.listAll('', { pageSize: 1 })) seen.push(key);
      expect(seen.indexOf('other work')).toBeLessThan(2);
    });

    it('refuses a cursor of another list', async () => {
      const store = await open();
      await store.transaction(
        [],
        [
          { put: 'a/1', value: 1 },
          { put: 'a/2', value: 1 },
        ],
      );
      const { cursor = '' } = await store.list('a/', { limit: 1 });
      await expect(store.list('b/', { cursor })).rejects.toMatchObject({ type: 'invalid-request' });
      await expect(store.list('a/', { cursor: 'garbage' })).rejects.toMatchObject({ type: 'invalid-request' });
    });
  });

  describe('lifetimes', () => {
    it('forgets an entry when its lifetime is over, and lets it be created anew', async () => {
      const store = await open();
      await store.put('token', 'short', { ttlSeconds: 0.3 });
      expect((await store.get('token'))?.value).toBe('short');
      await expect.poll(() => store.get('token')).toBeUndefined();
      expect((await store.list('')).entries).toEqual([]);
      await store.put('token', 'again', { ifRevision: 0 });
      expect((await store.get('token'))?.value).toBe('again');
    });

    it('keeps an entry that was written again without a lifetime', async () => {
      const store = await open();
      await store.put('marker', 1, { ttlSeconds: 0.3 });
      await store.put('token', 'short', { ttlSeconds: 0.1 });
      await store.put('token', 'kept');
      await expect.poll(() => store.get('marker')).toBeUndefined();
      expect((await store.get('token'))?.value).toBe('kept');
    });

    it('tells a watch that an entry has expired', async () => {
      const store = await open();
      const watch = collect(store, 'token');
      await store.put('token', 1, { ttlSeconds: 0.2 });
      await watch.until(2);
      expect(watch.events).toMatchObject([{ type: 'put' }, { type: 'delete', key: 'token' }]);
      await watch.stop();
    });

    it('keeps everything while the time of day is 185 days ahead, and after', async () => {
      const store = await open();
      await store.put('revocation', 1, { ttlSeconds: 86_400 });
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 185 * 86_400_000 });
      try {
        await store.put('other', 1);
        expect((await store.get('revocation'))?.value).toBe(1);
        expect((await store.list('')).entries).toHaveLength(2);
      } finally {
        vi.useRealTimers();
      }
      await store.put('other', 2);
      expect((await store.get('revocation'))?.value).toBe(1);
    });

    it('measure with the monotonic clock alone, whatever the engine takes for the time', async () => {
      const clock = { nowMs: 5_000 };
      const store = await open(undefined, { clock: () => clock.nowMs });
      await store.put('token', 1, { ttlSeconds: 0.05 });
      const soon = Date.now() + 200;
      await expect.poll(() => Date.now()).toBeGreaterThan(soon);
      await store.put('other', 1);
      expect((await store.get('token'))?.value).toBe(1);
      clock.nowMs += 50;
      expect(await store.get('token')).toBeUndefined();
    });

    it('go on after a restart, on a clock that begins anew', async () => {
      const space = `space-${++spaces}`;
      const clock = { nowMs: 1_000_000_000 };
      const first = await open(space, { clock: () => clock.nowMs });
      await first.put('token', 1, { ttlSeconds: 10 * 3600 });
      clock.nowMs += 6 * 3_600_000;
      await first.put('other', 1);
      await first.close();
      const later = { nowMs: 0 };
      const second = await open(space, { clock: () => later.nowMs });
      later.nowMs += 4 * 3_600_000 - 1;
      await second.put('other', 2);
      expect((await second.get('token'))?.value).toBe(1);
      later.nowMs += 1;
      expect(await second.get('token')).toBeUndefined();
    });

    it('do not pass faster when several processes count', async () => {
      const [space, clock] = [`space-${++spaces}`, { nowMs: 0 }];
      const stores = [];
      for (let count = 0; count < 3; count += 1) stores.push(await open(space, { clock: () => clock.nowMs }));
      await stores[0]?.put('token', 1, { ttlSeconds: 3_600 });
      for (let minutes = 0; minutes < 58; minutes += 2) {
        clock.nowMs += 120_000;
        for (const [index, store] of stores.entries()) await store.put('other', index);
      }
      for (const store of stores) expect((await store.get('token'))?.value).toBe(1);
      clock.nowMs += 120_000;
      for (const store of stores) expect(await store.get('token')).toBeUndefined();
    });

    it.each([0, -1, Number.NaN])('refuses a lifetime of %d seconds', async (ttlSeconds) => {
      await expect((await open()).put('a', 1, { ttlSeconds })).rejects.toMatchObject({ type: 'invalid-request' });
    });
  });

  describe('watches', () => {
    it('see each change below the prefix once, in order, and nothing else', async () => {
      const store = await open();
      const watch = collect(store, 'd/');
      await store.put('e/1', 'beside');
      await Promise.all(Array.from({ length: 40 }, (_, index) => store.put(`d/${index}`, index)));
      await store.delete('d/7');
      await watch.until(41);
      const revisions = watch.events.map(revisionOf);
      expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
      expect(new Set(revisions).size).toBe(41);
      expect(watch.events.at(-1)).toMatchObject({ type: 'delete', key: 'd/7' });
      await watch.stop();
    });

    it('see the changes another process makes', async () => {
      const space = `space-${++spaces}`;
      const [reader, writer] = [await open(space), await open(space)];
      const watch = collect(reader, 'd/', await reader.put('d/0', 'before'));
      const revision = await writer.put('d/1', 'from afar');
      await watch.until(1);
      expect(watch.events).toEqual([{ type: 'put', entry: { key: 'd/1', value: 'from afar', revision } }]);
      await watch.stop();
    });

    it('go on after the revision they are given, without a gap', async () => {
      const store = await open();
      await store.put('d/1', 1);
      const seen = await store.put('d/2', 2);
      await store.put('d/3', 3);
      await store.delete('d/1');
      const watch = collect(store, 'd/', seen);
      await store.put('d/4', 4);
      await watch.until(3);
      expect(watch.events.map((event) => (event.type === 'put' ? event.entry.key : `-${event.key}`))).toEqual([
        'd/3',
        '-d/1',
        'd/4',
      ]);
      await watch.stop();
    });

    it('say so when the changes they ask for are no longer kept', async () => {
      const store = await open(undefined, { retainedChanges: 20 });
      const first = await store.put('d/0', 0);
      for (let index = 1; index <= 100; index += 1) await store.put(`d/${index}`, index);
      const controller = new AbortController();
      const watch = store.watch('d/', { signal: controller.signal, afterRevision: first });
      await expect(watch[Symbol.asyncIterator]().next()).rejects.toMatchObject({ type: 'conflict' });
      const newest = (await store.get('d/100'))?.revision ?? 0;
      const resumed = collect(store, 'd/', newest - 10);
      await resumed.until(10);
      expect(resumed.events).toHaveLength(10);
      await resumed.stop();
    });

    it('say so when they are ahead of the store', async () => {
      const store = await open();
      await store.put('a', 1);
      const watch = store.watch('', { signal: AbortSignal.timeout(5000), afterRevision: 1_000_000 });
      await expect(watch[Symbol.asyncIterator]().next()).rejects.toMatchObject({ type: 'conflict' });
    });

    it('end when their signal aborts, and when the store closes', async () => {
      const store = await engine.open(`space-${++spaces}`);
      const [aborted, closed] = [collect(store, ''), collect(store, '')];
      await store.put('a', 1);
      await Promise.all([aborted.until(1), closed.until(1)]);
      await aborted.stop();
      await store.close();
      await closed.ended;
      expect([aborted.events.length, closed.events.length]).toEqual([1, 1]);
    });
  });

  describe('scopes', () => {
    it('keep one service from reading or writing beside its prefix', async () => {
      const store = await open();
      const [signer, registry] = [scopedStore(store, 'pki-signer/'), scopedStore(store, 'device-registry/')];
      await signer.put('a', 'signer');
      await registry.transaction([{ key: 'a', revision: 0 }], [{ put: 'a', value: 'registry' }]);
      expect((await signer.get('a'))?.value).toBe('signer');
      expect((await registry.list('')).entries.map(({ key }) => key)).toEqual(['a']);
      expect((await store.list('')).entries.map(({ key }) => key)).toEqual(['device-registry/a', 'pki-signer/a']);
      await expect(signer.get('')).rejects.toMatchObject({ type: 'invalid-request' });
    });

    it('page and watch with keys of their own', async () => {
      const store = await open();
      const scope = scopedStore(store, 'agent/');
      const watch = collect(scope, 'd/');
      await scope.transaction([], [{ put: 'd/1', value: 1 }, { put: 'd/2', value: 2 }, { delete: 'd/1' }]);
      await watch.until(3);
      expect(watch.events).toMatchObject([{ entry: { key: 'd/1' } }, { entry: { key: 'd/2' } }, { key: 'd/1' }]);
      await scope.put('d/3', 3);
      const { cursor = '' } = await scope.list('d/', { limit: 1 });
      expect((await scope.list('d/', { cursor })).entries.map(({ key }) => key)).toEqual(['d/3']);
      await watch.stop();
    });

    it('leave the store open when they are closed', async () => {
      const store = await open();
      await scopedStore(store, 'agent/').close();
      expect(await store.put('a', 1)).toBeGreaterThan(0);
    });
  });
});

function collect(store: Store, prefix: string, afterRevision?: number) {
  const controller = new AbortController();
  const events: WatchEvent[] = [];
  const watch = store.watch(prefix, {
    signal: controller.signal,
    ...(afterRevision === undefined ? {} : { afterRevision }),
  });
  const ended = (async () => {
    for await (const event of watch) events.push(event);
  })();
  return {
    events,
    ended,
    until: (count: number) => expect.poll(() => events.length).toBeGreaterThanOrEqual(count),
    stop: async () => {
      controller.abort();
      await ended;
    },
  };
}

function revisionOf(event: WatchEvent): number {
  return event.type === 'put' ? event.entry.revision : event.revision;
}
