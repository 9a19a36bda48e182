import { createHash } from 'node:crypto';
import type { JsonValue, Operation, Store } from '@sallyport/store';
import { describe, expect, it } from 'vitest';
import { event, noon, openLog } from './audit-log.fixture.js';

describe('audit log', () => {
  it('holds every event in order, each sealed with the one before', async () => {
    await using log = await openLog();
    await log.append('a', 'b', 'c');
    const { rows } = await log.audit.rows(0, 100);
    expect(rows.map(({ sequence, subject }) => [sequence, subject])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
    expect(rows[0]?.previousHash).toBe('0'.repeat(64));
    expect(rows[1]?.previousHash).toBe(rows[0]?.hash);
    expect(rows[2]?.previousHash).toBe(rows[1]?.hash);
    expect(await log.audit.verify()).toEqual({ intact: true, rows: 3, headHash: rows[2]?.hash });
    expect(await log.audit.head()).toEqual({ sequence: 3, hash: rows[2]?.hash });
  });

  it('tells who did what to whom, when, and with which outcome', async () => {
    await using log = await openLog();
    await log.append('child01');
    expect((await log.audit.rows(0, 1)).rows).toMatchObject([
      {
        at: noon,
        actor: 'admin:alice',
        action: 'device-locked',
        subject: 'child01',
        outcome: 'succeeded',
        details: { a: 'x', b: 1 },
      },
    ]);
  });

  it('seals a row with the SHA-256 of its JSON with sorted names (RFC 8785)', async () => {
    await using log = await openLog();
    await log.append('child01');
    const json =
      '{"action":"device-locked","actor":"admin:alice","at":"2026-06-01T12:00:00.000Z","details":{"a":"x","b":1},' +
      `"outcome":"succeeded","previousHash":"${'0'.repeat(64)}","sequence":1,"subject":"child01"}`;
    expect((await log.audit.head()).hash).toBe(createHash('sha256').update(json).digest('hex'));
  });

  it('says nothing of a change whose condition did not hold', async () => {
    await using log = await openLog();
    await log.store.put('token', 'used');
    const change = { compares: [{ key: 'token', revision: 0 }], operations: [{ put: 'token', value: 'mine' }] };
    expect(await log.audit.commit({ ...change, entries: [event('a')] })).toBe(false);
    expect(await log.subjects()).toEqual([]);
    expect((await log.store.get('token'))?.value).toBe('used');
  });

  it('says nothing of a change the store refuses', async () => {
    await using log = await openLog();
    const change = { operations: [{ put: '//', value: 1 }], entries: [event('a')] };
    await expect(log.audit.commit(change)).rejects.toMatchObject({ type: 'invalid-request' });
    expect(await log.subjects()).toEqual([]);
    await log.append('b');
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 1 });
  });

  it.each([
    ['no number', { count: Number.NaN }],
    ['an infinite number', { count: Number.POSITIVE_INFINITY }],
  ])('takes no row that could not be read back: it holds %s', async (_case, details) => {
    await using log = await openLog();
    const change = { operations: [{ put: 'k', value: 1 }], entries: [{ ...event('a'), details }] };
    await expect(log.audit.commit(change)).rejects.toMatchObject({ type: 'internal' });
    expect(await log.store.get('k')).toBeUndefined();
    await log.append('b');
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 1 });
  });

  it.each([-0, 1e21, 5e-324, 123456789012345680000, 0.1 + 0.2])('holds the number %d as it is', async (count) => {
    await using log = await openLog();
    await log.audit.commit({ entries: [{ ...event('a'), details: { count } }] });
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 1 });
  });

  it.each(['\ud800', '\0', '\u2028', 'e\u0301', '\u{1f600}'])('holds the text %j as it is', async (text) => {
    await using log = await openLog();
    await log.audit.commit({ entries: [{ ...event(text), details: { [text]: text, '\uffff': 1, '\u{10000}': 2 } }] });
    expect(await log.subjects()).toEqual([text]);
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 1 });
  });

  it('stays one chain when replicas write at once', async () => {
    await using log = await openLog();
    const writers = [log.audit, log.replica(), log.replica()];
    const writes = writers.flatMap((writer) => [1, 2, 3, 4].map((n) => writer.commit({ entries: [event(`${n}`)] })));
    expect(await Promise.all(writes)).toEqual(Array.from({ length: 12 }, () => true));
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 12 });
  });

  it('goes on with the same chain after a restart', async () => {
    await using log = await openLog();
    await log.append('a', 'b');
    await log.replica().commit({ entries: [event('c')] });
    expect(await log.subjects()).toEqual(['a', 'b', 'c']);
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 3 });
  });

  it('takes no row while its head is not readable', async () => {
    await using log = await openLog();
    await log.append('a');
    await log.store.put('audit/head', 'gone');
    const attempt = log.replica().commit({ operations: [{ put: 'k', value: 1 }], entries: [event('b')] });
    await expect(attempt).rejects.toMatchObject({ type: 'internal' });
    expect(await log.store.get('k')).toBeUndefined();
  });
});

describe('a head that does not know of the last rows', () => {
  it.each([
    ['was removed', async (store: Store) => void (await store.delete('audit/head'))],
    ['was put back', async (store: Store, early: JsonValue) => void (await store.put('audit/head', early))],
  ])('because it %s lets no row be written over', async (_case, damage) => {
    await using log = await openLog();
    await log.append('a');
    const early = (await log.store.get('audit/head'))?.value ?? null;
    await log.append('b', 'c');
    await damage(log.store, early);
    const rows = (await log.store.list('audit/row/')).entries;

    for (const writer of [log.replica(), log.audit]) {
      const attempts = ['d', 'e'].map((subject) =>
        writer.commit({ operations: [{ put: subject, value: 1 }], entries: [event(subject)] }),
      );
      for (const attempt of attempts) await expect(attempt).rejects.toMatchObject({ type: 'internal' });
    }

    expect((await log.store.list('audit/row/')).entries).toEqual(rows);
    expect(await log.store.get('d')).toBeUndefined();
  });
});

describe('changes made at the same moment', () => {
  const write: Operation[] = [{ put: 'token', value: 'used' }];
  const remove: Operation[] = [{ delete: 'token' }];
  const absent = [{ key: 'token', revision: 0 }];

  it('share one transaction when they do not meet', async () => {
    await using log = await openLog();
    const names = Array.from({ length: 10 }, (_, index) => `device${index}`);
    await Promise.all(
      names.map((name) => log.audit.commit({ operations: [{ put: name, value: 1 }], entries: [event(name)] })),
    );
    expect(await log.subjects()).toEqual(names);
    // Ten devices and ten rows were written before the head was, once.
    expect((await log.store.get('audit/head'))?.revision).toBe(21);
  });

  it.each([
    ['two that take the same token', { compares: absent, operations: write }, { compares: absent, operations: write }],
    ['a write, and a condition that it breaks', { operations: write }, { compares: absent }],
    ['a write, and a change that it forestalls', { operations: write }, { compares: absent, operations: write }],
  ])('are decided as if one came after the other: %s', async (_case, first, second) => {
    await using log = await openLog();
    const outcomes = await Promise.all([
      log.audit.commit({ ...first, entries: [event('first')] }),
      log.audit.commit({ ...second, entries: [event('second')] }),
    ]);
    expect(outcomes).toEqual([true, false]);
    expect(await log.subjects()).toEqual(['first']);
  });

  it.each([
    ['a condition, and a write that would break it', { compares: absent }, { operations: write }, 'used'],
    ['a write, and a deletion', { operations: write }, { operations: remove }, undefined],
    ['two writes', { operations: remove }, { operations: write }, 'used'],
    ['a deletion, and a condition that it fulfils', { operations: remove }, { compares: absent }, undefined],
  ])('both come through: %s', async (_case, first, second, left) => {
    await using log = await openLog();
    const outcomes = await Promise.all([
      log.audit.commit({ ...first, entries: [event('first')] }),
      log.audit.commit({ ...second, entries: [event('second')] }),
    ]);
    expect(outcomes).toEqual([true, true]);
    expect((await log.store.get('token'))?.value).toBe(left);
    expect(await log.subjects()).toEqual(['first', 'second']);
  });

  it('also come through when a deletion makes way for the next', async () => {
    await using log = await openLog();
    await log.store.put('token', 'old');
    const outcomes = await Promise.all([
      log.audit.commit({ operations: remove, entries: [event('first')] }),
      log.audit.commit({ compares: absent, operations: write, entries: [event('second')] }),
    ]);
    expect(outcomes).toEqual([true, true]);
    expect((await log.store.get('token'))?.value).toBe('used');
  });

  it.each([
    ['whose condition does not hold', { compares: [{ key: 'missing', revision: 7 }] }, false],
    ['that the store refuses', { operations: [{ put: '//', value: 1 }] }, 'invalid-request'],
  ])('do not fall with one %s', async (_case, failing, outcome) => {
    await using log = await openLog();
    const outcomes = await Promise.all([
      log.audit.commit({ entries: [event('a')] }),
      log.audit.commit({ ...failing, entries: [event('b')] }).catch(({ type }) => type),
      log.audit.commit({ entries: [event('c')] }),
    ]);
    expect(outcomes).toEqual([true, outcome, true]);
    expect(await log.subjects()).toEqual(['a', 'c']);
  });

  it('are spread over transactions of a size the store takes', async () => {
    await using log = await openLog();
    const commits = Array.from({ length: 30 }, (_, change) => {
      const operations = Array.from({ length: 40 }, (_, key) => ({ put: `device/${change}/${key}`, value: 1 }));
      return log.audit.commit({ operations, entries: [event(`${change}`)] });
    });
    expect(await Promise.all(commits)).toEqual(Array.from({ length: 30 }, () => true));
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 30 });
  });
});

describe('pages of the audit log', () => {
  it('hold the rows after a sequence number, and name the next page', async () => {
    await using log = await openLog();
    await log.append('a', 'b', 'c', 'd', 'e');
    const first = await log.audit.page({ limit: '3' });
    expect([first.rows.map(({ sequence }) => sequence), first.after]).toEqual([[1, 2, 3], 3]);
    const rest = await log.audit.page({ limit: '3', after: '3' });
    expect([rest.rows.map(({ sequence }) => sequence), rest.after]).toEqual([[4, 5], undefined]);
  });

  it('hold 100 rows when nobody says how many', async () => {
    await using log = await openLog();
    const subjects = Array.from({ length: 101 }, (_, index) => `${index}`);
    await log.audit.commit({ entries: subjects.map(event) });
    const page = await log.audit.page({});
    expect([page.rows.length, page.after]).toEqual([100, 100]);
  });

  it('are empty behind the last row', async () => {
    await using log = await openLog();
    await log.append('a');
    expect(await log.audit.page({ after: '7' })).toEqual({ rows: [] });
  });

  it.each([{ limit: '0' }, { limit: '1001' }, { after: '-1' }, { after: 'x' }, { before: '3' }])(
    'are refused for %j',
    async (query) => {
      await using log = await openLog();
      await expect(log.audit.page(query)).rejects.toMatchObject({ name: 'ZodError' });
    },
  );
});
