import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { collect, everyStore, newSpace } from './each-store.fixture.js';
import { scopedStore, type WatchEvent } from './index.js';

describe.each(everyStore())('store on $name', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

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
      const space = newSpace();
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
      const store = await engine.open(newSpace());
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

function revisionOf(event: WatchEvent): number {
  return event.type === 'put' ? event.entry.revision : event.revision;
}
