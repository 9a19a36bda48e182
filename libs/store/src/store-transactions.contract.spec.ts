import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everyStore } from './each-store.fixture.js';
import { scopedStore } from './index.js';

describe.each(everyStore())('store on $name', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

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
      expect(outcome).toEqual({ committed: true, revision: revision + 2, appended: [] });
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
      expect(outcome).toEqual({ committed: false, revision, appended: [] });
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
});
