import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnRedis, waitFor } from '@sallyport/testkit';
import { openRedisStore, openSqliteStore, type Store, type WatchEvent } from './index.js';

interface OpenOptions {
  readonly retainedChanges?: number;
  readonly clock?: () => number;
}

interface Engine {
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  open(space: string, options?: OpenOptions): Promise<Store>;
}

let spaces = 0;

/** A name no other test has. */
export function newSpace(): string {
  return `space-${++spaces}`;
}

/** An engine, and every store a test has opened on it. */
export class StoreUnderTest {
  readonly name: string;
  private readonly opened: Store[] = [];

  constructor(private readonly engine: Engine) {
    this.name = engine.name;
  }

  start(): Promise<void> {
    return this.engine.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.opened.map((store) => store.close()));
    await this.engine.stop();
  }

  /** A store of the test's own; the same space opens the same store again, as another process would. */
  readonly open = async (space = newSpace(), options?: OpenOptions): Promise<Store> => {
    const store = await this.engine.open(space, options);
    this.opened.push(store);
    return store;
  };
}

/** Every engine there is: what holds for a store holds for each. */
export function everyStore(): StoreUnderTest[] {
  return [new StoreUnderTest(sqliteEngine()), new StoreUnderTest(redisEngine())];
}

/** What a watch reports, until it is stopped. */
export function collect(store: Store, prefix: string, afterRevision?: number) {
  const controller = new AbortController();
  const events: WatchEvent[] = [];
  const watch = store.watch(prefix, {
    signal: controller.signal,
    ...(afterRevision === undefined ? {} : { afterRevision }),
  });
  const ended = (async () => {
    for await (const event of watch) events.push(event);
  })();
  return {
    events,
    ended,
    until: (count: number) => waitFor(() => events.length >= count, { what: `event ${count}` }),
    stop: async () => {
      controller.abort();
      await ended;
    },
  };
}

function sqliteEngine(): Engine {
  let directory = '';
  return {
    name: 'SQLite',
    start: async () => {
      directory = await mkdtemp(join(tmpdir(), 'sallyport-store-'));
    },
    stop: () => rm(directory, { recursive: true, force: true }),
    open: (space, options) => openSqliteStore({ file: join(directory, `${space}.db`), ...options }),
  };
}

function redisEngine(): Engine {
  let redis: Awaited<ReturnType<typeof spawnRedis>> | undefined;
  return {
    name: 'Redis',
    start: async () => {
      redis = await spawnRedis();
    },
    stop: async () => redis?.stop(),
    open: (space, options) => openRedisStore({ url: redis?.url ?? '', keyPrefix: space, ...options }),
  };
}
