import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DeviceWrite, Twin } from './index.js';
import { everyTwin, valuesOf } from './twin.fixture.js';

/** Publishes until as many writes were published, or for ever. */
async function published(twin: Twin, { until }: { readonly until: number }): Promise<DeviceWrite[]> {
  const stop = new AbortController();
  const writes: DeviceWrite[] = [];
  const running = twin.run({ signal: stop.signal, publish: async (write) => void writes.push(write) });
  await waitFor(() => writes.length >= until, { what: `write ${until}` });
  stop.abort();
  await running;
  return writes;
}

describe.each(everyTwin())('values in $name that several processes share', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

  it('keep every write, with a later time for each, although all write the same device', async () => {
    const space = engine.newSpace();
    const twins = [(await open(space)).twin, (await open(space)).twin, (await open(space)).twin];
    const writes = Array.from({ length: 60 }, (_, index) =>
      twins[index % 3]?.write('pump-17', valuesOf({ [`n${index}`]: String(index) })),
    );
    const times = await Promise.all(writes);
    expect(new Set(times).size).toBe(60);
    for (const twin of twins) expect((await twin.resources('pump-17')).size).toBe(60);
  });

  it('read what the others wrote', async () => {
    const space = engine.newSpace();
    const [one, two] = [await open(space), await open(space)];
    await one.twin.write('pump-17', valuesOf({ a: '1' }));
    expect((await two.twin.read('pump-17', ['a'])).get('a')?.value).toBe('1');
    await one.twin.write('pump-17', valuesOf({ a: '2' }));
    expect((await two.twin.read('pump-17', ['a'])).get('a')?.value).toBe('2');
  });

  it('publish each write, in the order of the device', async () => {
    const { twin } = await open();
    const source = { protocol: 'https', address: '192.0.2.7' } as const;
    for (const a of ['1', '2', '3']) await twin.write('pump-17', valuesOf({ a }), { source });
    await twin.desire('pump-17', valuesOf({ a: '4' }), { source: { actor: 'admin:alice' } });
    const writes = await published(twin, { until: 4 });
    expect(writes.map(({ kind, points }) => [kind, points[0]?.value])).toEqual([
      ['reported', '1'],
      ['reported', '2'],
      ['reported', '3'],
      ['desired', '4'],
    ]);
    expect([writes[0]?.source, writes[3]?.source]).toEqual([source, { actor: 'admin:alice' }]);
  });

  it('publish what a process wrote before it ended', async () => {
    const space = engine.newSpace();
    const before = await open(space);
    const at = await before.twin.write('pump-17', valuesOf({ a: '1' }));
    const writes = await published((await open(space)).twin, { until: 1 });
    expect(writes).toMatchObject([{ deviceId: 'pump-17', atMicros: at }]);
  });

  it('publish a write again until it is taken, and nothing twice after that', async () => {
    const { twin, store } = await open();
    await twin.write('pump-17', valuesOf({ a: '1' }));
    const stop = new AbortController();
    let attempts = 0;
    const publish = async () => {
      attempts += 1;
      if (attempts < 3) throw new Error('the broker is away');
    };
    const running = twin.run({ signal: stop.signal, publish });
    await waitFor(async () => (await store.list('announced/')).entries.length === 0, { what: 'an empty outbox' });
    stop.abort();
    await running;
    expect(attempts).toBe(3);
  });
});
