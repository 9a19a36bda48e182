import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { everyTwin, startMicros, valuesOf } from './twin.fixture.js';

describe.each(everyTwin())('values in $name of a device', (engine) => {
  const { open } = engine;
  beforeAll(() => engine.start());
  afterAll(() => engine.stop());

  it('are read as the device wrote them', async () => {
    const { twin } = await open();
    await twin.write('pump-17', valuesOf({ temperature: '50', note: 'a&b "ä"' }));
    const read = await twin.read('pump-17', ['note', 'missing', 'temperature']);
    expect([...read.values()]).toEqual([
      { alias: 'note', value: 'a&b "ä"', atMicros: startMicros },
      { alias: 'temperature', value: '50', atMicros: startMicros },
    ]);
  });

  it('of one write have one time, and each write has a later time', async () => {
    const { twin, clock } = await open();
    const first = await twin.write('pump-17', valuesOf({ a: '1', b: '1' }));
    const second = await twin.write('pump-17', valuesOf({ b: '2' }));
    clock.advance(-3600);
    const third = await twin.write('pump-17', valuesOf({ b: '3' }));
    expect([first, second, third]).toEqual([startMicros, startMicros + 1, startMicros + 2]);
    const read = await twin.read('pump-17', ['a', 'b']);
    expect([...read.values()].map(({ value, atMicros }) => [value, atMicros])).toEqual([
      ['1', first],
      ['3', third],
    ]);
  });

  it('keep the order in which a device wrote them, also without waiting', async () => {
    const { twin } = await open();
    const writes = Array.from({ length: 500 }, (_, index) => twin.write('pump-17', valuesOf({ n: String(index) })));
    const times = await Promise.all(writes);
    expect(times).toEqual(Array.from({ length: 500 }, (_, index) => startMicros + index));
    expect((await twin.read('pump-17', ['n'])).get('n')?.value).toBe('499');
    const history = await twin.history('pump-17', { limit: 3 });
    expect(history.map(({ value }) => value)).toEqual(['499', '498', '497']);
  });

  it('of one device are no values of another', async () => {
    const { twin } = await open();
    await twin.write('pump-17', valuesOf({ a: '1' }));
    expect((await twin.read('pump-1', ['a'])).size).toBe(0);
    expect(await twin.history('pump-1')).toEqual([]);
  });

  it('may have names that are special elsewhere', async () => {
    const { twin } = await open();
    const values = new Map([
      ['toString', '1'],
      ['constructor', '2'],
      ['a/b c%', '3'],
      ['empty value', ''],
    ] as const);
    await twin.write('pump-17', values);
    const read = await twin.read('pump-17', [...values.keys()]);
    expect([...read.values()].map(({ alias, value }) => [alias, value])).toEqual([...values]);
  });

  it.each([
    ['an empty name', '', '1', 'invalid-request'],
    ['a name with a dot', 'a.b', '1', 'invalid-request'],
    ['a name with a dollar', '$resource', '1', 'invalid-request'],
    ['a name with a line end', 'a\nb', '1', 'invalid-request'],
    ['a name that turns the direction of text', 'a\u202eb', '1', 'invalid-request'],
    ['a name with a character that nobody sees', 'a\u200bb', '1', 'invalid-request'],
    ['a name that JSON has and objects lose', '__proto__', '1', 'invalid-request'],
    ['a name of 129 bytes', 'x'.repeat(129), '1', 'invalid-request'],
    ['a value of 65 537 bytes', 'a', 'x'.repeat(65_537), 'too-large'],
    ['a value of 65 538 bytes in 32 769 characters', 'a', 'é'.repeat(32_769), 'too-large'],
    ['broken Unicode', 'a', '\ud800', 'invalid-request'],
  ])('are refused whole for %s', async (_, alias, value, type) => {
    const { twin } = await open();
    const write = twin.write('pump-17', new Map([['good', '1']]).set(alias, value));
    await expect(write).rejects.toMatchObject({ type });
    expect((await twin.resources('pump-17')).size).toBe(0);
  });

  it('are refused for no value, and for more than 1000 in a write', async () => {
    const { twin } = await open();
    const many = new Map(Array.from({ length: 1001 }, (_, index) => [`a${index}`, '1']));
    await expect(twin.write('pump-17', new Map())).rejects.toMatchObject({ type: 'invalid-request' });
    await expect(twin.write('pump-17', many)).rejects.toMatchObject({ type: 'too-large' });
  });

  it('of a device have at most 1000 names, and others may go on writing', async () => {
    const { twin } = await open();
    const thousand = new Map(Array.from({ length: 1000 }, (_, index) => [`a${index}`, '1']));
    await twin.write('pump-17', thousand);
    const [tooMany, known, other] = await Promise.allSettled([
      twin.write('pump-17', valuesOf({ more: '1' })),
      twin.write('pump-17', valuesOf({ a7: '2' })),
      twin.write('pump-18', valuesOf({ more: '1' })),
    ]);
    expect(tooMany).toMatchObject({ status: 'rejected', reason: { type: 'too-large' } });
    expect([known.status, other.status]).toEqual(['fulfilled', 'fulfilled']);
  });

  it('of a device take at most 900 000 bytes, however they are sent', async () => {
    const { twin } = await open();
    // A control character is six bytes of JSON.
    const large = '\u0001'.repeat(60_000);
    const outcomes = await Promise.allSettled(
      Array.from({ length: 6 }, (_, index) => twin.write('pump-17', valuesOf({ [`a${index}`]: large }))),
    );
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
      'rejected',
    ]);
    await twin.write('pump-17', valuesOf({ a0: 'small' }));
    await twin.write('pump-17', valuesOf({ a2: large }));
  });

  describe('desired by others', () => {
    it('are read by the device until it writes the value', async () => {
      const { twin } = await open();
      await twin.write('pump-17', valuesOf({ valve: 'closed' }));
      await twin.desire('pump-17', valuesOf({ valve: 'open' }));
      expect((await twin.read('pump-17', ['valve'])).get('valve')?.value).toBe('open');
      await twin.write('pump-17', valuesOf({ valve: 'half' }));
      expect((await twin.read('pump-17', ['valve'])).get('valve')?.value).toBe('half');
    });

    it('are told beside what was reported', async () => {
      const { twin } = await open();
      await twin.write('pump-17', valuesOf({ valve: 'closed' }));
      const at = await twin.desire('pump-17', valuesOf({ valve: 'open' }));
      expect((await twin.resources('pump-17')).get('valve')).toEqual({
        reported: { alias: 'valve', value: 'closed', atMicros: startMicros },
        desired: { alias: 'valve', value: 'open', atMicros: at },
      });
    });

    it('are acknowledged by any write of the same name: it replaces both', async () => {
      const { twin } = await open();
      await twin.desire('pump-17', valuesOf({ valve: 'open' }));
      const at = await twin.write('pump-17', valuesOf({ valve: 'stuck' }));
      const stuck = { alias: 'valve', value: 'stuck', atMicros: at };
      expect((await twin.resources('pump-17')).get('valve')).toEqual({ reported: stuck, desired: stuck });
    });
  });

  it('that the schema does not know are told, and are not read', async () => {
    const { twin } = await open();
    await twin.write('pump-17', valuesOf({ a: '1' }), { unlisted: valuesOf({ other: '2' }) });
    expect([...(await twin.resources('pump-17')).keys()]).toEqual(['a']);
    const [write] = await twin.writes('pump-17', { limit: 1 });
    expect(write?.points.map(({ alias }) => alias)).toEqual(['a', 'other']);
  });

  it('are there again in another process, however many writes there were', async () => {
    const space = engine.newSpace();
    const { twin } = await open(space);
    await twin.write('pump-17', valuesOf({ first: 'x' }));
    await Promise.all(Array.from({ length: 300 }, (_, index) => twin.write('pump-17', valuesOf({ n: String(index) }))));
    const again = await open(space);
    const read = await again.twin.read('pump-17', ['first', 'n']);
    expect([...read.values()].map(({ value }) => value)).toEqual(['x', '299']);
  });

  it('are gone when the device is forgotten, in every process, and may come back', async () => {
    const space = engine.newSpace();
    const [one, two] = [await open(space), await open(space)];
    await one.twin.write('pump-17', valuesOf({ a: '1' }));
    await two.twin.read('pump-17', ['a']);
    await one.twin.forget('pump-17');
    expect([(await one.twin.resources('pump-17')).size, (await two.twin.resources('pump-17')).size]).toEqual([0, 0]);
    expect(await two.twin.history('pump-17')).toEqual([]);
    expect(await two.twin.writes('pump-17', { limit: 10 })).toEqual([]);
    await two.twin.write('pump-17', valuesOf({ b: '2' }));
    expect([...(await one.twin.resources('pump-17')).keys()]).toEqual(['b']);
  });

  it('change together with what is recorded with them', async () => {
    const { twin, store } = await open();
    const at = await twin.write('pump-17', valuesOf({ a: '1' }), {
      recordWith: (atMicros) => [{ put: 'seen', value: atMicros }],
    });
    expect((await store.get('seen'))?.value).toBe(at);
    const broken = twin.write('pump-17', valuesOf({ a: '2' }), { recordWith: () => [{ put: '', value: 1 }] });
    const other = twin.write('pump-18', valuesOf({ a: '3' }));
    await expect(broken).rejects.toMatchObject({ type: 'invalid-request' });
    await other;
    expect((await twin.read('pump-17', ['a'])).get('a')?.value).toBe('1');
  });
});
