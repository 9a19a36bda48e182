import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everyTwin, valuesOf } from './twin.fixture.js';

describe.each(everyTwin())('values in $name that wait to be published', (engine) => {
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

  const write = (twin: Awaited<ReturnType<typeof engine.open>>['twin'], value: string) =>
    twin.write('pump-17', valuesOf({ a: value }));

  it('are refused when there are too many, and none that was taken is lost', async () => {
    const { twin } = await engine.open(engine.newSpace(), { unpublishedBytes: 600 });
    const taken: string[] = [];
    const refused: unknown[] = [];
    for (let each = 0; each < 20; each += 1) {
      const value = String(each);
      await write(twin, value).then(
        () => taken.push(value),
        (error: unknown) => refused.push(error),
      );
    }
    expect(taken.length).toBeGreaterThan(2);
    expect(refused[0]).toMatchObject({ type: 'unavailable', retryAfterSeconds: 30 });
    expect(taken.length + refused.length).toBe(20);

    const told: string[] = [];
    const { promise: allTold, resolve } = Promise.withResolvers<void>();
    const stop = new AbortController();
    const running = twin.run({
      signal: stop.signal,
      publish: async ({ points }) => {
        told.push(...points.map(({ value }) => value));
        if (told.length === taken.length) resolve();
      },
    });
    await allTold;
    expect(told).toEqual(taken);
    await expect.poll(() => write(twin, 'later').then(() => 'taken')).toBe('taken');
    stop.abort();
    await running;
  });

  it('are counted after a restart', async () => {
    const space = engine.newSpace();
    const first = await engine.open(space, { unpublishedBytes: 600 });
    for (let each = 0; each < 20; each += 1) await write(first.twin, '1').catch(() => undefined);
    const { twin } = await engine.open(space, { unpublishedBytes: 600 });
    const stop = new AbortController();
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    const publish = async () => {
      resolve();
      throw new Error('the broker is away');
    };
    const running = twin.run({ signal: stop.signal, publish });
    await asked;
    await expect(write(twin, '2')).rejects.toMatchObject({ type: 'unavailable' });
    stop.abort();
    await running;
  });
});
