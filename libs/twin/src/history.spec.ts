import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Point } from './index.js';
import { everyTwin, startMicros, valuesOf } from './twin.fixture.js';

const minute = 60_000_000;

function point(alias: string, value: string, minutesAgo: number): Point {
  return { alias, value, atMicros: startMicros - minutesAgo * minute };
}

describe.each(everyTwin())('values in $name, history of a device', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

  it('gives the newest points first, of all aliases or of one', async () => {
    const { twin, clock } = await open();
    for (const n of [1, 2, 3]) {
      await twin.write('pump-17', valuesOf({ a: `a${n}`, b: `b${n}` }));
      clock.advance(1);
    }
    await twin.desire('pump-17', valuesOf({ a: 'desired' }));
    expect((await twin.history('pump-17', { limit: 3 })).map(({ value }) => value)).toEqual(['a3', 'b3', 'a2']);
    expect((await twin.history('pump-17', { alias: 'b' })).map(({ value }) => value)).toEqual(['b3', 'b2', 'b1']);
  });

  it('orders values of the past by their own time', async () => {
    const { twin, clock } = await open();
    await twin.write('pump-17', valuesOf({ a: 'now' }));
    clock.advance(60);
    await twin.record('pump-17', [point('a', 'old', 30), point('a', 'older', 60), point('a', 'newest', -1)]);
    const history = await twin.history('pump-17');
    expect(history.map(({ value }) => value)).toEqual(['newest', 'now', 'old', 'older']);
  });

  it('finds the newest points also when old ones come later', async () => {
    const { twin, clock } = await open();
    for (let n = 0; n < 10; n += 1) {
      await twin.write('pump-17', valuesOf({ a: `live ${n}` }));
      clock.advance(60);
    }
    await twin.record('pump-17', [point('a', 'old', 600)]);
    expect((await twin.history('pump-17', { limit: 2 })).map(({ value }) => value)).toEqual(['live 9', 'live 8']);
    const early = await twin.history('pump-17', { toMicros: startMicros - 1, limit: 1 });
    expect(early.map(({ value }) => value)).toEqual(['old']);
  });

  it('gives a part by time, with both ends', async () => {
    const { twin, clock } = await open();
    for (const value of ['0', '1', '2', '3']) {
      await twin.write('pump-17', valuesOf({ a: value }));
      clock.advance(60);
    }
    const part = await twin.history('pump-17', {
      fromMicros: startMicros + minute,
      toMicros: startMicros + 2 * minute,
    });
    expect(part.map(({ value }) => value)).toEqual(['2', '1']);
  });

  it('takes a value of the past as the present one only if it is newer', async () => {
    const { twin } = await open();
    await twin.record('pump-17', [point('a', 'first', 10), point('b', 'only', 5)]);
    await twin.record('pump-17', [point('a', 'earlier', 20)]);
    const read = await twin.read('pump-17', ['a', 'b']);
    expect([...read.values()]).toEqual([point('a', 'first', 10), point('b', 'only', 5)]);
  });

  it('refuses values of the future, but for a clock that is a little ahead', async () => {
    const { twin } = await open();
    await twin.record('pump-17', [point('a', 'skewed', -5)]);
    await expect(twin.record('pump-17', [point('a', 'future', -6)])).rejects.toMatchObject({ type: 'invalid-request' });
    expect(await twin.history('pump-17')).toEqual([point('a', 'skewed', -5)]);
  });

  it('tells whole writes for a timeline, page by page', async () => {
    const { twin } = await open();
    const times: number[] = [];
    for (const a of ['1', '2', '3']) times.push(await twin.write('pump-17', valuesOf({ a, b: a })));
    const first = await twin.writes('pump-17', { limit: 2 });
    expect(first.map(({ atMicros }) => atMicros)).toEqual([times[2], times[1]]);
    const rest = await twin.writes('pump-17', { beforeMicros: times[1] ?? 0, limit: 2 });
    expect(rest).toMatchObject([{ kind: 'reported', atMicros: times[0], points: [{ value: '1' }, { value: '1' }] }]);
  });
});
