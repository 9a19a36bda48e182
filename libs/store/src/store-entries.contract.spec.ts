import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everyStore, newSpace } from './each-store.fixture.js';

describe.each(everyStore())('store on $name', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

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
      const space = newSpace();
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
      const space = newSpace();
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
});
