import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everyStore } from './each-store.fixture.js';
import { type Operation, scopedStore } from './index.js';

describe.each(everyStore())('store on $name, series', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

  /** Appends these values, one after the other. */
  const append = (series: string, ...values: number[]): Operation[] =>
    values.map((value) => ({ append: series, value }));

  it('gives the items back in the order they were appended', async () => {
    const store = await open();
    await store.transaction([], append('values/pump-17', 20, 21));
    await store.transaction([], append('values/pump-17', 22));
    expect(await store.range('values/pump-17')).toEqual([
      { id: 1, value: 20 },
      { id: 2, value: 21 },
      { id: 3, value: 22 },
    ]);
  });

  it('is empty when nothing was appended', async () => {
    expect(await (await open()).range('values/pump-17')).toEqual([]);
  });

  it('takes the time of an item as its id, and a larger one when the time is not later', async () => {
    const store = await open();
    const at = 1_700_000_000_000_000;
    const outcome = await store.transaction(
      [],
      [
        { append: 's', value: 'a', at },
        { append: 's', value: 'b', at },
        { append: 's', value: 'c', at: at - 5 },
        { append: 's', value: 'd', at: at + 10 },
      ],
    );
    expect(outcome.appended).toEqual([at, at + 1, at + 2, at + 10]);
    expect((await store.range('s')).map(({ id }) => id)).toEqual([at, at + 1, at + 2, at + 10]);
  });

  it('keeps any JSON value', async () => {
    const store = await open();
    const value = { text: 'ä\u0000\n"', list: [1, null, true], nested: { a: 1.5 } };
    await store.transaction([], [{ append: 's', value }]);
    expect(await store.range('s')).toEqual([{ id: 1, value }]);
  });

  it.each([
    [{ after: 1 }, [2, 3, 4, 5]],
    [{ before: 4 }, [1, 2, 3]],
    [{ after: 1, before: 5, limit: 2 }, [2, 3]],
    [{ newestFirst: true, limit: 2 }, [5, 4]],
    [{ newestFirst: true, before: 4, after: 1 }, [3, 2]],
    [{ after: 5 }, []],
  ])('reads a part: %j', async (options, ids) => {
    const store = await open();
    await store.transaction([], append('s', 1, 2, 3, 4, 5));
    expect((await store.range('s', options)).map(({ id }) => id)).toEqual(ids);
  });

  it('ends a page of large items early, and goes on after it', async () => {
    const store = await open();
    const value = 'x'.repeat(400_000);
    for (let item = 0; item < 5; item += 1) await store.transaction([], [{ append: 's', value }]);
    const first = await store.range('s');
    expect(first.map(({ id }) => id)).toEqual([1, 2, 3]);
    expect((await store.range('s', { after: 3 })).map(({ id }) => id)).toEqual([4, 5]);
  });

  it('reads many more items than one page', async () => {
    const store = await open();
    await store.transaction([], append('s', ...Array.from({ length: 900 }, (_, index) => index)));
    expect((await store.range('s', { limit: 1000 })).map(({ value }) => value)).toEqual(
      Array.from({ length: 900 }, (_, index) => index),
    );
  });

  it('appends together with changes of entries, or not at all', async () => {
    const store = await open();
    const revision = await store.put('device', 'active');
    const made = await store.transaction(
      [{ key: 'device', revision }],
      [{ put: 'device', value: 1 }, ...append('s', 1)],
    );
    const refused = await store.transaction([{ key: 'device', revision }], [{ delete: 'device' }, ...append('s', 2)]);
    expect([made.committed, refused]).toEqual([true, { committed: false, revision: revision + 1, appended: [] }]);
    expect(await store.range('s')).toEqual([{ id: 1, value: 1 }]);
  });

  it('appends nothing when one value is too large', async () => {
    const store = await open();
    const operations: Operation[] = [
      { append: 's', value: 1 },
      { append: 's', value: 'x'.repeat(1024 * 1024) },
    ];
    await expect(store.transaction([], operations)).rejects.toMatchObject({ type: 'too-large' });
    expect(await store.range('s')).toEqual([]);
  });

  it('makes a transaction only while the newest item is the expected one', async () => {
    const store = await open();
    const first = await store.transaction([{ series: 's', newest: 0 }], append('s', 1));
    const late = await store.transaction([{ series: 's', newest: 0 }], append('s', 2));
    const next = await store.transaction([{ series: 's', newest: 1 }], append('s', 3));
    expect([first.committed, late.committed, next.committed]).toEqual([true, false, true]);
    expect((await store.range('s')).map(({ value }) => value)).toEqual([1, 3]);
  });

  it('lets one of many writers win that expect the same newest item', async () => {
    const space = `race-${engine.name}`;
    const stores = [await open(space), await open(space)];
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        stores[index % 2]?.transaction([{ series: 's', newest: 0 }], append('s', index)),
      ),
    );
    expect(outcomes.filter((outcome) => outcome?.committed)).toHaveLength(1);
    expect(await stores[0]?.range('s')).toHaveLength(1);
  });

  it('keeps every item of many writers, in strictly increasing order', async () => {
    const space = `writers-${engine.name}`;
    const stores = [await open(space), await open(space)];
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        stores[index % 2]?.transaction([], [{ append: 's', value: index, at: 1000 }]),
      ),
    );
    const items = (await stores[0]?.range('s', { limit: 1000 })) ?? [];
    expect(items.map(({ id }) => id)).toEqual(Array.from({ length: 200 }, (_, index) => 1000 + index));
    const acknowledged = outcomes.flatMap(
      (outcome, index) => outcome?.appended.map((id) => [id, index] as const) ?? [],
    );
    expect(new Map(items.map(({ id, value }) => [id, value]))).toEqual(new Map(acknowledged));
  });

  it.each([
    [{ keep: 2 }, [4, 5]],
    [{ before: 3 }, [3, 4, 5]],
    [{ before: 3, keep: 1 }, [5]],
    [{ keep: 9 }, [1, 2, 3, 4, 5]],
    [{ before: 99 }, [5]],
  ])('trims the oldest items: %j', async (bounds, ids) => {
    const store = await open();
    await store.transaction([], [...append('s', 1, 2, 3, 4, 5), ...append('other', 1)]);
    await store.transaction([], [{ trim: 's', ...bounds }]);
    expect((await store.range('s')).map(({ id }) => id)).toEqual(ids);
    expect(await store.range('other')).toHaveLength(1);
  });

  it('never uses an id again after a trim', async () => {
    const store = await open();
    await store.transaction([], [...append('s', 1, 2, 3), { trim: 's', before: 99, keep: 1 }, ...append('s', 4)]);
    expect((await store.range('s')).map(({ id }) => id)).toEqual([3, 4]);
  });

  it('starts a dropped series again', async () => {
    const store = await open();
    await store.transaction([], append('s', 1, 2));
    await store.transaction([], [{ drop: 's' }, { drop: 'missing' }, { trim: 'missing', keep: 1 }]);
    expect(await store.range('s')).toEqual([]);
    await store.transaction([{ series: 's', newest: 0 }], append('s', 7));
    expect(await store.range('s')).toEqual([{ id: 1, value: 7 }]);
  });

  it('shows a series neither as an entry nor in a watch', async () => {
    const store = await open();
    await store.transaction([], append('a/s', 1));
    expect([await store.get('a/s'), (await store.list('')).entries]).toEqual([undefined, []]);
  });

  it('is reached only within its scope', async () => {
    const store = await open();
    const [one, two] = [scopedStore(store, 'one/'), scopedStore(store, 'two/')];
    await one.transaction([{ series: 's', newest: 0 }], [...append('s', 1, 2), { trim: 's', keep: 1 }]);
    await two.transaction([], append('s', 3));
    await two.transaction([], [{ drop: 's' }]);
    expect(await one.range('s')).toEqual([{ id: 2, value: 2 }]);
    expect(await store.range('one/s')).toEqual([{ id: 2, value: 2 }]);
  });

  it('is there after the store was closed and opened again', async () => {
    const space = `again-${engine.name}`;
    const store = await open(space);
    await store.transaction([], append('s', 1));
    await store.close();
    const again = await open(space);
    await again.transaction([{ series: 's', newest: 1 }], append('s', 2));
    expect((await again.range('s')).map(({ value }) => value)).toEqual([1, 2]);
  });

  it.each([
    { append: 's//x', value: 1 },
    { append: 's', value: 1, at: 0 },
    { append: 's', value: 1, at: 1.5 },
    { trim: 's', keep: 0 },
    { trim: '', keep: 1 },
    { drop: '' },
  ])('refuses %j', async (operation) => {
    await expect((await open()).transaction([], [operation])).rejects.toMatchObject({ type: 'invalid-request' });
  });

  it.each([{ limit: 0 }, { limit: 1001 }, { after: -1 }, { before: 0.5 }])('refuses the range %j', async (options) => {
    await expect((await open()).range('s', options)).rejects.toMatchObject({ type: 'invalid-request' });
  });
});
