import { openSqliteStore } from '@sallyport/store';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { TestClock } from '../signer.fixture.js';
import { AuditedStore } from './audited-store.js';

async function openLog() {
  const directory = temporaryDirectory();
  const store = await openSqliteStore({ file: directory.file('store.db') });
  const clock = new TestClock();
  return {
    store,
    audit: new AuditedStore(store, clock),
    replica: () => new AuditedStore(store, clock),
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await directory.remove();
    },
  };
}

const event = (id: string) => ({ action: 'authority-issued' as const, actor: 'signer', details: { id } });

describe('audit log', () => {
  it('holds every event in order, each sealed with the one before', async () => {
    await using log = await openLog();
    for (const id of ['a', 'b', 'c']) await log.audit.commit({ events: [event(id)] });
    const { records } = await log.audit.records();
    expect(records.map(({ sequence, details: { id } }) => [sequence, id])).toEqual([
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ]);
    expect(records[0]?.previousHash).toBe('0'.repeat(64));
    expect(records[2]?.previousHash).toBe(records[1]?.hash);
    expect(await log.audit.verify()).toEqual({ records: 3 });
  });

  it('says nothing of a change whose condition did not hold', async () => {
    await using log = await openLog();
    await log.store.put('token', 'used');
    const change = { compares: [{ key: 'token', revision: 0 }], operations: [{ put: 'token', value: 'mine' }] };
    expect(await log.audit.commit({ ...change, events: [event('a')] })).toBe(false);
    expect((await log.audit.records()).records).toEqual([]);
    expect((await log.store.get('token'))?.value).toBe('used');
  });

  it('lets one of two changes of the same key through, made at the same moment', async () => {
    await using log = await openLog();
    const take = (who: string) =>
      log.audit.commit({
        compares: [{ key: 'token', revision: 0 }],
        operations: [{ put: 'token', value: who }],
        events: [event(who)],
      });
    expect(await Promise.all([take('a'), take('b')])).toEqual([true, false]);
    expect((await log.audit.records()).records).toHaveLength(1);
  });

  it('does not let a change that fails take those made at the same moment with it', async () => {
    await using log = await openLog();
    const failing = { compares: [{ key: 'missing', revision: 7 }], events: [event('b')] };
    const outcomes = await Promise.all([
      log.audit.commit({ events: [event('a')] }),
      log.audit.commit(failing),
      log.audit.commit({ events: [event('c')] }),
    ]);
    expect(outcomes).toEqual([true, false, true]);
    expect((await log.audit.records()).records.map(({ details: { id } }) => id)).toEqual(['a', 'c']);
  });

  it('stays one chain when replicas write at once', async () => {
    await using log = await openLog();
    const writers = [log.audit, log.replica(), log.replica()];
    const writes = writers.flatMap((writer) => [1, 2, 3, 4].map((n) => writer.commit({ events: [event(`${n}`)] })));
    expect(await Promise.all(writes)).toEqual(Array.from({ length: 12 }, () => true));
    expect(await log.audit.verify()).toEqual({ records: 12 });
  });

  it.each([
    ['a changed word', { details: { id: 'x' } }],
    ['a changed actor', { actor: 'mallory' }],
    ['a changed time', { at: '2001-01-01T00:00:00.000Z' }],
    ['another hash', { hash: 'f'.repeat(64) }],
  ])('shows %s', async (_case, change) => {
    await using log = await openLog();
    for (const id of ['a', 'b', 'c']) await log.audit.commit({ events: [event(id)] });
    const [, second] = (await log.store.list('audit/')).entries;
    await log.store.put(second?.key ?? '', { ...Object(second?.value), ...change });
    expect(await log.audit.verify()).toEqual({ records: 1, brokenAt: 2 });
  });

  it.each([
    ['in the middle', 1, { records: 1, brokenAt: 2 }],
    ['at the end', 2, { records: 2, brokenAt: 3 }],
  ])('shows a record cut out %s', async (_case, index, verdict) => {
    await using log = await openLog();
    for (const id of ['a', 'b', 'c']) await log.audit.commit({ events: [event(id)] });
    await log.store.delete((await log.store.list('audit/')).entries[index]?.key ?? '');
    expect(await log.audit.verify()).toEqual(verdict);
  });
});
