import { openSqliteStore } from '@sallyport/store';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { TestClock } from '../signer.fixture.js';
import { AuditLog } from './audit-log.js';

async function openLog() {
  const directory = temporaryDirectory();
  const store = await openSqliteStore({ file: directory.file('store.db') });
  const clock = new TestClock();
  return {
    store,
    audit: new AuditLog(store, clock),
    replica: () => new AuditLog(store, clock),
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await directory.remove();
    },
  };
}

const event = (subject: string) => ({
  action: 'authority-issued' as const,
  actor: 'signer',
  subject,
  outcome: 'succeeded' as const,
  details: { b: 1, a: 'x' },
});

describe('audit log', () => {
  it('holds every event in order, each sealed with the one before', async () => {
    await using log = await openLog();
    for (const id of ['a', 'b', 'c']) await log.audit.commit({ entries: [event(id)] });
    const { rows: records } = await log.audit.rows(0, 100);
    expect(records.map(({ sequence, subject }) => [sequence, subject])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
    expect(records[0]?.previousHash).toBe('0'.repeat(64));
    expect(records[2]?.previousHash).toBe(records[1]?.hash);
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 3 });
  });

  it('says nothing of a change whose condition did not hold', async () => {
    await using log = await openLog();
    await log.store.put('token', 'used');
    const change = { compares: [{ key: 'token', revision: 0 }], operations: [{ put: 'token', value: 'mine' }] };
    expect(await log.audit.commit({ ...change, entries: [event('a')] })).toBe(false);
    expect((await log.audit.rows(0, 100)).rows).toEqual([]);
    expect((await log.store.get('token'))?.value).toBe('used');
  });

  it('lets one of two changes of the same key through, made at the same moment', async () => {
    await using log = await openLog();
    const take = (who: string) =>
      log.audit.commit({
        compares: [{ key: 'token', revision: 0 }],
        operations: [{ put: 'token', value: who }],
        entries: [event(who)],
      });
    expect(await Promise.all([take('a'), take('b')])).toEqual([true, false]);
    expect((await log.audit.rows(0, 100)).rows).toHaveLength(1);
  });

  it('does not let a change that fails take those made at the same moment with it', async () => {
    await using log = await openLog();
    const failing = { compares: [{ key: 'missing', revision: 7 }], entries: [event('b')] };
    const outcomes = await Promise.all([
      log.audit.commit({ entries: [event('a')] }),
      log.audit.commit(failing),
      log.audit.commit({ entries: [event('c')] }),
    ]);
    expect(outcomes).toEqual([true, false, true]);
    expect((await log.audit.rows(0, 100)).rows.map(({ subject }) => subject)).toEqual(['a', 'c']);
  });

  it('stays one chain when replicas write at once', async () => {
    await using log = await openLog();
    const writers = [log.audit, log.replica(), log.replica()];
    const writes = writers.flatMap((writer) => [1, 2, 3, 4].map((n) => writer.commit({ entries: [event(`${n}`)] })));
    expect(await Promise.all(writes)).toEqual(Array.from({ length: 12 }, () => true));
    expect(await log.audit.verify()).toMatchObject({ intact: true, rows: 12 });
  });

  it.each([
    ['a changed word', { details: { a: 'y', b: 1 } }],
    ['a changed actor', { actor: 'mallory' }],
    ['a changed time', { at: '2001-01-01T00:00:00.000Z' }],
    ['another hash', { hash: 'f'.repeat(64) }],
  ])('shows %s', async (_case, change) => {
    await using log = await openLog();
    for (const id of ['a', 'b', 'c']) await log.audit.commit({ entries: [event(id)] });
    const [, second] = (await log.store.list('audit/row/')).entries;
    await log.store.put(second?.key ?? '', { ...Object(second?.value), ...change });
    expect(await log.audit.verify()).toMatchObject({ intact: false, rows: 1, brokenAt: 2 });
  });

  it.each([
    ['in the middle', 1, { intact: false, rows: 1, brokenAt: 2 }],
    ['at the end', 2, { intact: false, rows: 2, brokenAt: 3 }],
  ])('shows a record cut out %s', async (_case, index, verdict) => {
    await using log = await openLog();
    for (const id of ['a', 'b', 'c']) await log.audit.commit({ entries: [event(id)] });
    await log.store.delete((await log.store.list('audit/row/')).entries[index]?.key ?? '');
    expect(await log.audit.verify()).toMatchObject(verdict);
  });
});
