import { Problem } from '@sallyport/protocol';
import { Cluster, type Redis } from 'ioredis';
import { deserialise } from './limits.js';
import { RedisConnection, type RedisStoreOptions } from './redis-connection.js';
import { redisNames } from './redis-names.js';
import { openRedisStore } from './redis-store.js';
import type { Entry, Store } from './store.js';
import type { StoreRecord } from './store-dump.js';

const scanCount = 1000;
const changesAtOnce = 500;

/**
 * Everything in a store, as it was at one moment. Others may write meanwhile: what they have changed comes last.
 *
 * @throws Problem `unavailable`: no answer; or more was written meanwhile than Redis keeps of the latest changes
 */
export async function* dumpRedisStore(options: RedisStoreOptions): AsyncGenerator<StoreRecord> {
  const connection = await RedisConnection.open(options);
  const store = await openRedisStore(options);
  const dump = new RedisDump(connection, store, redisNames(options.keyPrefix));
  try {
    // Series are no part of the log of changes. They come first, so that no entry is older than what tells of it.
    const revision = await dump.revision();
    yield* dump.series();
    yield* dump.entries();
    yield* dump.changesAfter(revision);
  } finally {
    await store.close();
    connection.close();
  }
}

/** Renames every key of a store. An empty store is then in its place, and nothing is lost. */
export async function moveRedisStoreAside(options: RedisStoreOptions, suffix: string): Promise<void> {
  const connection = await RedisConnection.open(options);
  try {
    const names = redisNames(options.keyPrefix);
    for await (const key of keysLike(connection, `${escaped(names.prefix)}*`)) {
      const part = key.slice(names.prefix.length);
      if (part.startsWith('before-')) continue;
      await connection.run((client) => client.rename(key, `${names.prefix}${suffix}:${part}`));
    }
  } finally {
    connection.close();
  }
}

class RedisDump {
  constructor(
    private readonly connection: RedisConnection,
    private readonly store: Store,
    private readonly names: ReturnType<typeof redisNames>,
  ) {}

  async revision(): Promise<number> {
    return Number((await this.connection.run((client) => client.get(this.names.revision))) ?? 0);
  }

  async *series(): AsyncGenerator<StoreRecord> {
    const { series } = this.names;
    for await (const key of keysLike(this.connection, `${escaped(series)}*`))
      yield* this.itemsOf(key.slice(series.length));
  }

  async *entries(): AsyncGenerator<StoreRecord> {
    for await (const page of this.store.listPages('')) yield* await this.withLifetimes(page);
  }

  async *changesAfter(from: number): AsyncGenerator<StoreRecord> {
    let last = from;
    for (;;) {
      const { changes } = this.names;
      const page = await this.connection.run((client) =>
        client.xrange(changes, `(${last}-0`, '+', 'COUNT', changesAtOnce),
      );
      const [first] = page;
      if (first === undefined) return;
      // Each change has the next number. A gap means that Redis has dropped some already.
      if (revisionOf(first) !== last + 1) throw tooManyChanges();
      for (const change of page) yield* await this.changeOf(change[1]);
      last += page.length;
    }
  }

  private async *itemsOf(series: string): AsyncGenerator<StoreRecord> {
    let after = 0;
    for (;;) {
      const page = await this.store.range(series, { after, limit: scanCount });
      const newest = page.at(-1);
      if (newest === undefined) return;
      for (const { id, value } of page) yield { append: series, at: id, value };
      after = newest.id;
    }
  }

  private async changeOf([, key = '', , text]: readonly string[]): Promise<StoreRecord[]> {
    if (text === undefined) return [{ delete: key }];
    return this.withLifetimes([{ key, value: deserialise(text), revision: 0 }]);
  }

  private async withLifetimes(page: readonly Entry[]): Promise<StoreRecord[]> {
    if (page.length === 0) return [];
    const { running, dues } = this.names;
    const keys = page.map(({ key }) => key);
    const [noted, scores] = await this.connection.run((client) =>
      Promise.all([client.get(running), client.zmscore(dues, ...keys)]),
    );
    return page.map(({ key, value }, index) => {
      const due = scores[index];
      if (due === null || due === undefined) return { put: key, value };
      return { put: key, value, ttlSeconds: Math.max(1, (Number(due) - Number(noted ?? 0)) / 1000) };
    });
  }
}

function revisionOf([id]: readonly [string, readonly string[]]): number {
  return Number.parseInt(id, 10);
}

async function* keysLike(connection: RedisConnection, pattern: string): AsyncGenerator<string> {
  for (const node of await connection.run(async (client) => nodesOf(client))) {
    let cursor = '0';
    do {
      const [next, keys] = await node.scan(cursor, 'MATCH', pattern, 'COUNT', scanCount);
      yield* keys;
      cursor = next;
    } while (cursor !== '0');
  }
}

function nodesOf(client: Redis | Cluster): readonly Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

/** A text that a pattern of Redis takes as it is. */
function escaped(text: string): string {
  return text.replaceAll(/[\\*?[\]]/g, '\\$&');
}

function tooManyChanges(): Problem {
  return new Problem(
    'unavailable',
    'More was written to the store while it was read than Redis keeps of the latest changes. Try again when less goes on.',
  );
}
