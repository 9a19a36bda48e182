import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Point } from './index.js';
import { everyTwin, startMicros, valuesOf } from './twin.fixture.js';

const never = () => new AbortController().signal;

describe.each(everyTwin())('values in $name that are waited for', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

  it('answers at once with a value that is later than the given time', async () => {
    const { twin } = await open();
    await twin.write('pump-17', valuesOf({ valve: 'open' }));
    const point = await twin.waitForChange('pump-17', 'valve', { sinceMicros: startMicros - 1, signal: never() });
    expect(point).toEqual({ alias: 'valve', value: 'open', atMicros: startMicros });
  });

  it('answers when the value is written, and not for others', async () => {
    const { twin } = await open();
    await twin.write('pump-17', valuesOf({ valve: 'open' }));
    const waiting = twin.waitForChange('pump-17', 'valve', { sinceMicros: startMicros, signal: never() });
    await twin.write('pump-17', valuesOf({ temperature: '1' }));
    await twin.write('pump-18', valuesOf({ valve: 'other device' }));
    await twin.write('pump-17', valuesOf({ valve: 'closed' }));
    expect(await waiting).toMatchObject({ value: 'closed' });
  });

  it('answers when a value is desired', async () => {
    const { twin } = await open();
    const waiting = twin.waitForChange('pump-17', 'valve', { sinceMicros: startMicros - 1, signal: never() });
    await twin.desire('pump-17', valuesOf({ valve: 'open' }));
    expect(await waiting).toMatchObject({ value: 'open' });
  });

  it('answers nothing when its time is over', async () => {
    const { twin } = await open();
    const stop = new AbortController();
    const waiting = twin.waitForChange('pump-17', 'valve', { sinceMicros: 0, signal: stop.signal });
    stop.abort();
    expect(await waiting).toBeUndefined();
    const late = twin.waitForChange('pump-17', 'valve', { sinceMicros: 0, signal: AbortSignal.abort() });
    expect(await late).toBeUndefined();
  });

  it('answers when another process writes the value', async () => {
    const space = engine.newSpace();
    const [one, two] = [await open(space), await open(space)];
    const waiting = one.twin.waitForChange('pump-17', 'valve', { sinceMicros: 0, signal: never() });
    await two.twin.desire('pump-17', valuesOf({ valve: 'open' }));
    expect(await waiting).toMatchObject({ value: 'open' });
  });

  it('is possible 16 times at once for one device, and again when one has ended', async () => {
    const { twin } = await open();
    const stop = new AbortController();
    const wait = () => twin.waitForChange('pump-17', 'valve', { sinceMicros: startMicros, signal: stop.signal });
    const waits = Array.from({ length: 16 }, wait);
    await expect(wait()).rejects.toMatchObject({ type: 'rate-limited' });
    stop.abort();
    await Promise.all(waits);
    expect(await wait()).toBeUndefined();
  });

  describe('for desired values', () => {
    it('tells first what the device has not acknowledged, then what is new', async () => {
      const { twin } = await open();
      await twin.desire('pump-17', valuesOf({ valve: 'open', speed: '3' }));
      await twin.write('pump-17', valuesOf({ speed: '3' }));
      const told: Point[] = [];
      const stop = twin.onDesired('pump-17', (point) => told.push(point));
      await waitFor(() => told.length === 1, { what: 'the value of before' });
      await twin.desire('pump-17', valuesOf({ speed: '4' }));
      await waitFor(() => told.length === 2, { what: 'the new value' });
      stop();
      expect(told.map(({ alias, value }) => [alias, value])).toEqual([
        ['valve', 'open'],
        ['speed', '4'],
      ]);
    });

    it('tells the values that another process sets', async () => {
      const space = engine.newSpace();
      const [one, two] = [await open(space), await open(space)];
      const told: Point[] = [];
      const stop = one.twin.onDesired('pump-17', (point) => told.push(point));
      for (const valve of ['open', 'half', 'closed']) await two.twin.desire('pump-17', valuesOf({ valve }));
      await waitFor(() => told.at(-1)?.value === 'closed', { what: 'the last value' });
      stop();
    });

    it('tells nothing after its end', async () => {
      const { twin } = await open();
      const told: Point[] = [];
      twin.onDesired('pump-17', (point) => told.push(point))();
      await twin.desire('pump-17', valuesOf({ valve: 'open' }));
      await twin.waitForChange('pump-17', 'valve', { sinceMicros: 0, signal: never() });
      expect(told).toEqual([]);
    });
  });
});
