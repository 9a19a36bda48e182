import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { collect, everyStore, newSpace } from './each-store.fixture.js';

describe.each(everyStore())('store on $name', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

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
      const space = newSpace();
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
      const [space, clock] = [newSpace(), { nowMs: 0 }];
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
});
