import { setImmediate as nextTurn } from 'node:timers/promises';
import { auditRow } from '@sallyport/protocol';
import type { JsonValue } from '@sallyport/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { event, type LogUnderTest, openLog, rowKey } from './audit-log.fixture.js';

describe('verification of the audit log', () => {
  let log: LogUnderTest;
  beforeEach(async () => {
    log = await openLog();
    await log.append('a', 'b', 'c', 'd', 'e');
  });
  afterEach(() => log[Symbol.asyncDispose]());

  const rowAt = async (sequence: number): Promise<JsonValue> => (await log.store.get(rowKey(sequence)))?.value ?? null;

  it('finds nothing in a log nobody touched', async () => {
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 5 });
  });

  it('finds nothing in an empty log', async () => {
    await using empty = await openLog();
    expect(await empty.audit.verify()).toEqual({ intact: true, rows: 0, headHash: '0'.repeat(64) });
  });

  it('finds nothing while rows are being appended', async () => {
    await log.audit.commit({ entries: Array.from({ length: 300 }, (_, index) => event(`${index}`)) });
    const writer = log.replica();
    const writing = inTurn(40, () => writer.commit({ entries: [event('meanwhile')] }));
    const verdicts = await inTurn(10, () => log.audit.verify());
    await writing;
    expect(verdicts.filter(({ intact }) => !intact)).toEqual([]);
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 345 });
  });

  it('lets the rest of the service work while it reads a long log', async () => {
    await log.audit.commit({ entries: Array.from({ length: 500 }, (_, index) => event(`${index}`)) });
    let [turns, isVerifying] = [0, true];
    const working = (async () => {
      for (; isVerifying; turns += 1) await nextTurn();
    })();
    await log.audit.verify();
    isVerifying = false;
    await working;
    expect(turns).toBeGreaterThanOrEqual(5);
  });

  it('finds nothing when the store gives names back in another order', async () => {
    const { details, ...row } = auditRow.parse(await rowAt(2));
    await log.store.put(rowKey(2), { ...reversed(row), details: reversed(details) });
    expect(await log.audit.verify()).toMatchObject({ intact: true });
  });

  it.each(['sequence', 'at', 'actor', 'action', 'subject', 'outcome', 'details', 'previousHash', 'hash'])(
    'finds a byte that was flipped in "%s" of a row',
    async (field) => {
      const row = JSON.stringify(await rowAt(3));
      const value = row.indexOf(`"${field}":`) + field.length + 3;
      const position = value + (row[value] === '"' ? 1 : row[value] === '{' ? 2 : 0);
      const flipped = row[position] === '0' ? '1' : '0';
      await log.store.put(rowKey(3), JSON.parse(row.slice(0, position) + flipped + row.slice(position + 1)));
      expect(await log.audit.verify()).toMatchObject({ intact: false, rows: 2, brokenAt: 3 });
    },
  );

  it.each([
    ['a changed word', { details: { a: 'y', b: 1 } }, 'row 2 was changed after it was written'],
    ['a changed actor', { actor: 'mallory' }, 'row 2 was changed after it was written'],
    ['a changed time', { at: '2001-01-01T00:00:00.000Z' }, 'row 2 was changed after it was written'],
    ['another hash', { hash: 'f'.repeat(64) }, 'row 2 was changed after it was written'],
    ['another chain', { previousHash: 'f'.repeat(64) }, 'row 2 does not build on the row before it'],
    ['one more field', { note: 'x' }, 'a row is not readable'],
  ])('finds %s', async (_case, change, fault) => {
    await log.store.put(rowKey(2), { ...Object(await rowAt(2)), ...change });
    expect(await log.audit.verify()).toEqual({ intact: false, rows: 1, brokenAt: 2, fault });
  });

  it('finds a row that was removed', async () => {
    await log.store.delete(rowKey(3));
    expect(await log.audit.verify()).toEqual({
      intact: false,
      rows: 2,
      brokenAt: 3,
      fault: 'row 4 stands where row 3 belongs; rows were removed or moved',
    });
  });

  it('finds rows that were removed at the end', async () => {
    await log.store.delete(rowKey(5));
    await log.store.delete(rowKey(4));
    expect(await log.audit.verify()).toEqual({
      intact: false,
      rows: 3,
      brokenAt: 4,
      fault: 'the last 2 rows are gone',
    });
  });

  it('finds rows that changed places', async () => {
    const [second, fourth] = [await rowAt(2), await rowAt(4)];
    await log.store.put(rowKey(2), fourth);
    await log.store.put(rowKey(4), second);
    expect(await log.audit.verify()).toMatchObject({ intact: false, rows: 1, brokenAt: 2 });
  });

  it('finds a row that was moved to another place', async () => {
    await log.store.put(`${rowKey(2)}0`, await rowAt(2));
    await log.store.delete(rowKey(2));
    const fault = 'row 2 was moved to another place';
    expect(await log.audit.verify()).toEqual({ intact: false, rows: 1, brokenAt: 2, fault });
  });

  it('finds a row that was added', async () => {
    await log.store.put(rowKey(6), await rowAt(5));
    expect(await log.audit.verify()).toMatchObject({ intact: false, rows: 5, brokenAt: 6 });
  });

  it('finds a row that was added with a hash that fits', async () => {
    const head = await log.store.get('audit/head');
    await log.append('f');
    await log.store.put('audit/head', head?.value ?? null);
    const fault = 'the head of the log does not belong to its last row';
    expect(await log.audit.verify()).toEqual({ intact: false, rows: 6, brokenAt: 7, fault });
  });

  it('finds a row that is no row any more', async () => {
    await log.store.put(rowKey(2), 'gone');
    expect(await log.audit.verify()).toEqual({
      intact: false,
      rows: 1,
      brokenAt: 2,
      fault: 'a row is not readable',
    });
  });

  it.each([
    ['is no head any more', 'gone', 'the head of the log is not readable'],
    [
      'belongs to another log',
      { sequence: 5, hash: 'f'.repeat(64) },
      'the head of the log does not belong to its last row',
    ],
  ])('finds a head that %s', async (_case, head, fault) => {
    await log.store.put('audit/head', head);
    expect(await log.audit.verify()).toEqual({ intact: false, rows: 5, brokenAt: 6, fault });
  });

  it('names the damage, while the other rows can still be read', async () => {
    await log.store.put(rowKey(2), 'gone');
    await log.store.delete(rowKey(4));
    expect(await log.subjects()).toEqual(['a', 'c', 'e']);
  });
});

function reversed(object: Readonly<Record<string, JsonValue>>) {
  return Object.fromEntries(Object.entries(object).reverse());
}

async function inTurn<Result>(times: number, work: () => Promise<Result>): Promise<Result[]> {
  const results: Result[] = [];
  for (let turn = 0; turn < times; turn += 1) results.push(await work());
  return results;
}
