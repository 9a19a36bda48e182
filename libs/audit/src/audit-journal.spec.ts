import { Journal } from '@sallyport/journal';
import { openLog as openServiceLog } from '@sallyport/runtime';
import { type JsonValue, openSqliteStore, type Store } from '@sallyport/store';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { AuditJournal } from './audit-journal.js';
import { event } from './audit-log.fixture.js';
import { AuditLog } from './audit-log.js';

const noon = new Date('2026-06-01T12:00:00Z');

/** A service whose store can be exchanged for an older copy of itself. */
class Site implements AsyncDisposable {
  private readonly directory = temporaryDirectory();
  private readonly stores: Store[] = [];
  private copies = 0;

  /** A service that starts on this store. */
  async start(store: Store, owner = 'host-1'): Promise<AuditLog & { readonly kept: AuditJournal }> {
    const isKept = () => true;
    const journal = await Journal.open({ folder: this.directory.file('journal'), owner, isKept });
    const kept = await AuditJournal.open({
      store,
      clock: { now: () => noon },
      log: openServiceLog({ level: 'silent' }),
      journal,
      keptPrefixes: ['device/'],
      isKept,
      isPreferred: (_change, stored) => stored !== 'locked',
    });
    return Object.assign(new AuditLog(store, { now: () => noon }, { journal: kept }), { kept });
  }

  async emptyStore(): Promise<Store> {
    this.copies += 1;
    const store = await openSqliteStore({ file: this.directory.file(`store-${this.copies}.db`) });
    this.stores.push(store);
    return store;
  }

  /** An older copy: everything the store has now. */
  async copyOf(store: Store): Promise<Store> {
    const copy = await this.emptyStore();
    for await (const { key, value } of store.listAll('')) await copy.put(key, value);
    return copy;
  }

  async loseJournal(): Promise<void> {
    const { rm } = await import('node:fs/promises');
    await rm(this.directory.file('journal'), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.stores) await store.close();
    await this.directory.remove();
  }
}

const setting = (name: string, value: JsonValue) => ({
  operations: [{ put: `device/${name}`, value }],
  entries: [event(name)],
});

const storedAt = async (store: Store, key: string) => (await store.get(key))?.value;

describe('a service whose store was exchanged for an older copy', () => {
  it('knows again what the copy has forgotten, with every row of the audit log', async () => {
    await using site = new Site();
    const store = await site.emptyStore();
    const service = await site.start(store);
    await service.commit(setting('one', 'active'));
    const copy = await site.copyOf(store);
    await service.commit(setting('one', 'locked'));
    await service.commit({ operations: [{ delete: 'device/two' }], entries: [event('two')] });
    const { hash } = await service.head();

    const again = await site.start(copy);
    expect(await storedAt(copy, 'device/one')).toBe('locked');
    expect(await again.verify()).toMatchObject({ intact: true, rows: 4 });
    expect((await again.rows(0, 10)).rows[2]?.hash).toBe(hash);
    expect((await again.rows(0, 10)).rows[3]).toMatchObject({ action: 'older-copy-found', actor: 'journal' });
    expect(await again.journalStatus()).toMatchObject({
      olderCopy: { rowsInStore: 1, rowsInJournal: 3, rowsBroughtBack: 2, changesBroughtBack: 2 },
    });
  });

  it('knows it again although another site has lived here meanwhile', async () => {
    await using site = new Site();
    const store = await site.emptyStore();
    const service = await site.start(store);
    await service.commit(setting('one', 'active'));
    const copy = await site.copyOf(store);
    await service.commit(setting('one', 'locked'));
    const other = await site.start(await site.emptyStore());
    await other.commit(setting('two', 'active'));

    await site.start(copy);
    expect(await storedAt(copy, 'device/one')).toBe('locked');
  });

  it('tells of it until somebody has acknowledged it, and does not find it again', async () => {
    await using site = new Site();
    const store = await site.emptyStore();
    const service = await site.start(store);
    await service.commit(setting('one', 'active'));
    const copy = await site.copyOf(store);
    await service.commit(setting('one', 'locked'));
    const again = await site.start(copy);
    expect(await again.acknowledgeOlderCopy('admin:alice')).toEqual({});
    const third = await site.start(copy);
    expect(await third.journalStatus()).toEqual({});
    expect((await third.rows(0, 10)).rows.map(({ action }) => action)).toEqual([
      'device-locked',
      'device-locked',
      'older-copy-found',
      'older-copy-acknowledged',
    ]);
  });

  it('brings back what another replica has written, too', async () => {
    await using site = new Site();
    const store = await site.emptyStore();
    const [one, other] = [await site.start(store), await site.start(store, 'host-2')];
    await one.commit(setting('one', 'active'));
    const copy = await site.copyOf(store);
    await other.commit(setting('two', 'locked'));
    await one.commit(setting('three', 'locked'));
    const again = await site.start(copy);
    expect(await storedAt(copy, 'device/two')).toBe('locked');
    expect(await storedAt(copy, 'device/three')).toBe('locked');
    expect(await again.verify()).toMatchObject({ intact: true, rows: 4 });
  });

  it('keeps refused what was refused when the copy was continued without the journal', async () => {
    await using site = new Site();
    const store = await site.emptyStore();
    const service = await site.start(store);
    await service.commit(setting('one', 'active'));
    const copy = await site.copyOf(store);
    await service.commit(setting('two', 'locked'));
    await service.commit(setting('three', 'active'));
    const unaware = new AuditLog(copy, { now: () => noon });
    await unaware.commit(setting('three', 'locked'));
    await unaware.commit(setting('four', 'active'));
    await unaware.commit(setting('five', 'active'));

    const again = await site.start(copy);
    expect(await storedAt(copy, 'device/two')).toBe('locked');
    expect(await storedAt(copy, 'device/three')).toBe('locked');
    expect(await again.verify()).toMatchObject({ intact: true, rows: 5 });
    const rowsBefore = (await again.head()).sequence;
    expect((await (await site.start(copy)).head()).sequence).toBe(rowsBefore);
  });

  it('brings back a change that is too large for one transaction with its conditions', async () => {
    await using site = new Site();
    const store = await site.emptyStore();
    const service = await site.start(store);
    await service.commit(setting('one', 'active'));
    const copy = await site.copyOf(store);
    const names = Array.from({ length: 600 }, (_, index) => `many-${index}`);
    const operations = names.map((name) => ({ put: `device/${name}`, value: 'locked' }));
    await service.commit({ operations, entries: [event('many')] });
    const unaware = new AuditLog(copy, { now: () => noon });
    await unaware.commit(setting('two', 'active'));

    await site.start(copy);
    for (const name of names) expect(await storedAt(copy, `device/${name}`)).toBe('locked');
  });

  it('does not start while the store takes nothing back, and forgets nothing of it', async () => {
    await using site = new Site();
    const store = await site.emptyStore();
    const service = await site.start(store);
    await service.commit(setting('one', 'active'));
    const copy = await site.copyOf(store);
    await service.commit(setting('one', 'locked'));
    // Others write so often that no change to the device comes through.
    const transaction = copy.transaction.bind(copy);
    copy.transaction = async (compares, operations) =>
      operations.some((operation) => 'put' in operation && operation.put === 'device/one')
        ? { committed: false, revision: 0, appended: [] }
        : transaction(compares, operations);

    await expect(site.start(copy)).rejects.toMatchObject({ type: 'unavailable' });
    copy.transaction = transaction;
    await site.start(copy);
    expect(await storedAt(copy, 'device/one')).toBe('locked');
  });

  it('finds it while it runs, before it writes the next row', async () => {
    await using site = new Site();
    const store = await site.emptyStore();
    const service = await site.start(store);
    await service.commit(setting('one', 'active'));
    const entries = [];
    for await (const entry of store.listAll('')) entries.push(entry);
    await service.commit(setting('one', 'locked'));
    // As a server does that was restored from its own backup: the same connection, other contents.
    for await (const { key } of store.listAll('')) await store.delete(key);
    for (const { key, value } of entries) await store.put(key, value);
    await service.commit(setting('two', 'active'));
    expect(await storedAt(store, 'device/one')).toBe('locked');
    expect(await service.verify()).toMatchObject({ intact: true, rows: 4 });
  });

  it('writes its journal anew when that was lost', async () => {
    await using site = new Site();
    const store = await site.emptyStore();
    const service = await site.start(store);
    await service.commit(setting('one', 'locked'));
    const copy = await site.copyOf(store);
    await copy.put('device/one', 'active');
    await service.commit(setting('two', 'locked'));
    await site.loseJournal();
    await (await site.start(store)).kept.settled();
    await site.start(copy);
    expect(await storedAt(copy, 'device/one')).toBe('locked');
    expect(await storedAt(copy, 'device/two')).toBe('locked');
  });

  it('never takes in what another site has written', async () => {
    await using site = new Site();
    const service = await site.start(await site.emptyStore());
    for (const name of ['one', 'two', 'three']) await service.commit(setting(name, 'locked'));
    const other = await site.emptyStore();
    await new AuditLog(other, { now: () => new Date(0) }).commit(setting('four', 'active'));
    const founded = await site.start(other);
    expect(await storedAt(other, 'device/one')).toBeUndefined();
    expect(await founded.journalStatus()).toEqual({});
  });
});
