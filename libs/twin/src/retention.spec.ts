import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HistorySweeper } from './history-sweeper.js';
import { everyTwin, startMicros, valuesOf } from './twin.fixture.js';

const never = new AbortController().signal;

describe.each(everyTwin())('values in $name, retention of the history', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

  const bounds = { writes: 10_000, bytes: 16 * 1024 * 1024, days: 30 };
  const openWithSweeper = async () => {
    const opened = await open();
    const nowMicros = () => opened.clock.nowMs() * 1000;
    return { ...opened, sweeper: new HistorySweeper(opened.store, { bounds, nowMicros }) };
  };

  it('keeps about as many writes as it should, and every present value', async () => {
    const { twin, store } = await open(undefined, { retention: { writes: 640 } });
    await twin.write('pump-17', valuesOf({ first: 'x' }));
    await Promise.all(Array.from({ length: 2000 }, (_, n) => twin.write('pump-17', valuesOf({ n: String(n) }))));
    const kept = (await store.range('writes/pump-17', { limit: 1000 })).length;
    expect(kept).toBeGreaterThanOrEqual(600);
    expect(kept).toBeLessThanOrEqual(640 + 20 + 264);
    const read = await twin.read('pump-17', ['first', 'n']);
    expect([...read.values()].map(({ value }) => value)).toEqual(['x', '1999']);
  });

  it('limits the bytes that a device may fill', async () => {
    const { twin, store } = await open(undefined, { retention: { bytes: 1024 * 1024 } });
    const value = 'x'.repeat(60_000);
    for (let n = 0; n < 40; n += 1) await twin.write('pump-17', valuesOf({ n: value }));
    let bytes = 0;
    let after = 0;
    for (;;) {
      const items = await store.range('writes/pump-17', { after });
      if (items.length === 0) break;
      bytes += items.reduce((sum, { value: item }) => sum + JSON.stringify(item).length, 0);
      after = items.at(-1)?.id ?? 0;
    }
    expect(bytes).toBeLessThan(1024 * 1024 + 400_000);
  });

  it('removes what is older than its days, but keeps the present values', async () => {
    const { twin, clock, sweeper } = await openWithSweeper();
    for (let n = 0; n < 700; n += 1) void twin.write('pump-17', valuesOf({ [n < 10 ? 'old' : 'n']: String(n) }));
    await twin.write('pump-17', valuesOf({ n: 'last' }));
    await sweeper.sweep(never);
    for (let day = 1; day <= 31; day += 1) {
      clock.advance(86_400);
      await sweeper.sweep(never);
    }
    expect((await twin.history('pump-17')).map(({ value }) => value)).toEqual(['last']);
    const read = await twin.read('pump-17', ['old', 'n']);
    expect([...read.values()].map(({ value }) => value)).toEqual(['9', 'last']);
  });

  it('removes no history for a clock that is years ahead for a while', async () => {
    const { twin, clock, sweeper } = await openWithSweeper();
    await twin.write('pump-17', valuesOf({ a: '1' }));
    await twin.write('pump-17', valuesOf({ a: '2' }));
    await sweeper.sweep(never);
    clock.advance(10 * 365 * 86_400);
    for (let hour = 0; hour < 24; hour += 1) await sweeper.sweep(never);
    clock.advance(-10 * 365 * 86_400);
    expect((await twin.history('pump-17')).map(({ value }) => value)).toEqual(['2', '1']);
  });

  it('leaves nothing of a forgotten device in the end', async () => {
    const { twin, store, clock, sweeper } = await openWithSweeper();
    await twin.write('pump-17', valuesOf({ a: '1' }));
    await twin.forget('pump-17');
    await sweeper.sweep(never);
    expect((await store.list('state/')).entries).toHaveLength(1);
    for (let day = 1; day <= 31; day += 1) {
      clock.advance(86_400);
      await sweeper.sweep(never);
    }
    expect([(await store.list('state/')).entries, await store.range('writes/pump-17')]).toEqual([[], []]);
    expect(await twin.write('pump-17', valuesOf({ a: '2' }))).toBeGreaterThan(startMicros);
    expect((await twin.read('pump-17', ['a'])).get('a')?.value).toBe('2');
  });
});
