import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everyTwin, startMicros, valuesOf } from './twin.fixture.js';

const later = startMicros + 1_000_000;

describe.each(everyTwin())('aliases in $name that are forgotten', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

  it('have no value and no desired one, in every process; the others stay', async () => {
    const space = engine.newSpace();
    const [one, two] = [await open(space), await open(space)];
    await one.twin.write('pump-17', valuesOf({ a: '1', b: '2' }));
    await one.twin.desire('pump-17', valuesOf({ a: '3', c: '4' }));
    await two.twin.resources('pump-17');
    await one.twin.forgetAliases('pump-17', ['a', 'c', 'missing'], { untilMicros: later });
    for (const { twin } of [one, two, await open(space)])
      expect([...(await twin.resources('pump-17')).keys()]).toEqual(['b']);
  });

  it('stay in the history, and are no write of it', async () => {
    const { twin } = await open();
    await twin.write('pump-17', valuesOf({ a: '1' }));
    await twin.forgetAliases('pump-17', ['a'], { untilMicros: later });
    expect((await twin.history('pump-17')).map(({ alias, value }) => [alias, value])).toEqual([['a', '1']]);
    expect((await twin.writes('pump-17', { limit: 1 })).map(({ kind }) => kind)).toEqual(['reported']);
  });

  it('make room for a device that uses ever new names', async () => {
    const { twin } = await open();
    for (let round = 0; round < 4; round += 1) {
      const names = Array.from({ length: 500 }, (_, index) => `a${round}-${index}`);
      await twin.write('pump-17', new Map(names.map((name) => [name, '1'])));
      await twin.forgetAliases('pump-17', names, { untilMicros: later });
    }
    expect((await twin.resources('pump-17')).size).toBe(0);
  });

  it('stay forgotten after a restart, however many writes follow', async () => {
    const space = engine.newSpace();
    const { twin } = await open(space);
    await twin.write('pump-17', valuesOf({ a: '1', b: '1' }));
    await twin.forgetAliases('pump-17', ['a'], { untilMicros: later });
    await Promise.all(Array.from({ length: 150 }, (_, index) => twin.write('pump-17', valuesOf({ b: String(index) }))));
    expect([...(await (await open(space)).twin.resources('pump-17')).keys()]).toEqual(['b']);
  });

  it('stay when another process has written them since', async () => {
    const space = engine.newSpace();
    const [one, two] = [await open(space), await open(space)];
    const seen = await one.twin.write('pump-17', valuesOf({ a: '1', b: '1' }));
    await two.twin.write('pump-17', valuesOf({ a: '2' }));
    await one.twin.forgetAliases('pump-17', ['a', 'b'], { untilMicros: seen });
    expect([...(await two.twin.resources('pump-17')).keys()]).toEqual(['a']);
  });

  it('may come back', async () => {
    const { twin } = await open();
    await twin.write('pump-17', valuesOf({ a: '1' }));
    await twin.forgetAliases('pump-17', ['a'], { untilMicros: later });
    await twin.write('pump-17', valuesOf({ a: '1' }));
    expect((await twin.read('pump-17', ['a'])).get('a')?.value).toBe('1');
  });

  it('are no event', async () => {
    const { twin } = await open();
    await twin.write('pump-17', valuesOf({ a: '1' }));
    await twin.forgetAliases('pump-17', ['a'], { untilMicros: later });
    await twin.write('pump-17', valuesOf({ b: '1' }));
    const stop = new AbortController();
    const published: string[] = [];
    await twin.run({
      signal: stop.signal,
      publish: async ({ points }) => {
        published.push(...points.map(({ alias }) => alias));
        if (published.length === 2) stop.abort();
      },
    });
    expect(published).toEqual(['a', 'b']);
  });
});
