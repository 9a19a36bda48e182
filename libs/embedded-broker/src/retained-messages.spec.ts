import { Problem } from '@sallyport/protocol';
import {
  type Compare,
  type DeleteOptions,
  type JsonValue,
  type Operation,
  openSqliteStore,
  type Page,
  type PutOptions,
  Store,
  type WatchOptions,
} from '@sallyport/store';
import { temporaryDirectory } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { RetainedMessages } from './retained-messages.js';

const limits = { retainedMessages: 100, retainedBytes: 10_000 };

function message(topic: string, payload = 'x') {
  return { cmd: 'publish', topic, payload: Buffer.from(payload), qos: 1, retain: true } as const;
}

function topicsOf(retained: RetainedMessages): string[] {
  return [...retained.matching(['#'])].map(({ topic = '' }) => topic).sort();
}

/** A store whose disk is full for a while. */
class FillingDisk extends Store {
  isFull = true;

  constructor(private readonly store: Store) {
    super();
  }

  override get(key: string) {
    return this.store.get(key);
  }

  override list(prefix: string, page?: Page) {
    return this.store.list(prefix, page);
  }

  override put(key: string, value: JsonValue, options?: PutOptions) {
    return this.store.put(key, value, options);
  }

  override delete(key: string, options?: DeleteOptions) {
    return this.store.delete(key, options);
  }

  override async transaction(compares: readonly Compare[], operations: readonly Operation[]) {
    if (this.isFull) throw new Problem('storage-full', 'The store has no room left.');
    return this.store.transaction(compares, operations);
  }

  override watch(prefix: string, options: WatchOptions) {
    return this.store.watch(prefix, options);
  }

  override close() {
    return this.store.close();
  }
}

describe('retained messages', () => {
  it('count their topics too: those alone can fill the memory', () => {
    const retained = new RetainedMessages({ limits, onFault: () => undefined });
    const topics = ['a', 'b', 'c'].map((letter) => letter.repeat(4_000));
    expect(topics.map((topic) => retained.keep(message(topic)))).toEqual([true, true, false]);
  });

  it('have room for another when one is forgotten', () => {
    const retained = new RetainedMessages({ limits, onFault: () => undefined });
    const [first, second] = ['a'.repeat(8_000), 'b'.repeat(8_000)];
    expect(retained.keep(message(first))).toBe(true);
    expect(retained.keep(message(first, ''))).toBe(true);
    expect(retained.keep(message(second))).toBe(true);
  });

  it('of services have room when clients of the network have used all of theirs', () => {
    const retained = new RetainedMessages({ limits: { ...limits, retainedMessages: 2 }, onFault: () => undefined });
    const topics = ['a', 'b', 'c', 'sallyport/v1/dead-letter/agent/1', 'sallyport/v1/dead-letter/agent/2'];
    expect(topics.map((topic) => retained.keep(message(topic)))).toEqual([true, true, false, true, true]);
    expect(retained.keep(message('sallyport/v1/dead-letter/agent/3'))).toBe(false);
  });

  it('are written as soon as the store works again', async () => {
    const directory = temporaryDirectory();
    const store = await openSqliteStore({ file: directory.file('store.db') });
    const faults: unknown[] = [];
    const disk = new FillingDisk(store);
    const retained = new RetainedMessages({ limits, store: disk, onFault: (fault) => faults.push(fault) });
    retained.keep(message('te/main'));
    await retained.close();
    expect(faults).toHaveLength(1);
    disk.isFull = false;
    await retained.close();
    const again = new RetainedMessages({ limits, store, onFault: () => undefined });
    await again.load();
    expect(topicsOf(again)).toEqual(['te/main']);
    await again.close();
    await store.close();
    await directory.remove();
  });
});
