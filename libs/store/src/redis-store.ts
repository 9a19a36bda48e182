import { pause } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import { z } from 'zod';
import { ChangeFeed, type ChangePage, type ChangeSource, type LoggedChange } from './change-feed.js';
import {
  checkKey,
  checkLifetime,
  checkPrefix,
  checkTransaction,
  conflict,
  cursorAfter,
  deserialise,
  isOnSeries,
  pageOfSeriesBytes,
  pageRange,
  placeOf,
  serialise,
  seriesRange,
} from './limits.js';
import { RedisConnection, type RedisStoreOptions } from './redis-connection.js';
import { redisNames } from './redis-names.js';
import {
  changesScript,
  getScript,
  listScript,
  type RedisScript,
  rangeScript,
  sweepScript,
  transactionScript,
} from './redis-scripts.js';
import { type MonotonicClock, noteRunningTimeEveryMs, RunningTime } from './running-time.js';
import {
  type Condition,
  type DeleteOptions,
  type Entry,
  type EntryPage,
  type JsonValue,
  type Operation,
  type Page,
  type PutOptions,
  type RangeOptions,
  type SeriesItem,
  Store,
  type TransactionOutcome,
  type WatchEvent,
  type WatchOptions,
} from './store.js';

// How long a blocking read waits. Then it looks for expired entries and for the end of the watch.
const blockMs = 500;
const retryMs = 250;

const revision = z.coerce.number().int();
const getReply = z.tuple([z.string(), revision]).nullable();
const runningTimeMs = z.coerce.number();
const transactionReply = z.tuple([z.number(), revision, z.number(), runningTimeMs], z.coerce.number().int());
const listReply = z.array(z.string());
const changesReply = z.tuple([revision, revision], z.string().nullable());

/**
 * A store in Redis 6 or newer. Each entry is a hash. A sorted set holds the keys in byte order, a stream holds the
 * changes, and one Lua script makes a whole transaction.
 *
 * In Redis Cluster everything of one store lies in one hash slot (`{keyPrefix}`), because a transaction may change a
 * device, its certificates, the audit log and the outbox, and Redis transactions work within one slot only. Revisions
 * are store-wide too. To spread the load over nodes, give each service a store with its own `keyPrefix`.
 *
 * The settings of the server decide how durable a write is. Use `appendonly yes`, `appendfsync always` and
 * `maxmemory-policy noeviction`.
 *
 * @throws Problem `config-invalid`: the URL is none. `unavailable`: no answer within 5 s
 */
export async function openRedisStore(options: RedisStoreOptions): Promise<Store> {
  const connection = await RedisConnection.open(options);
  const { keyPrefix = 'sallyport', retainedChanges = 10_000, clock = () => performance.now() } = options;
  const store = new RedisStore(connection, { keyPrefix, retainedChanges, clock });
  await store.learnRunningTime();
  return store;
}

class RedisStore extends Store implements ChangeSource {
  private readonly feed = new ChangeFeed(this);
  private readonly keys: readonly [string, string, string, string, string, string];
  private readonly entryPrefix: string;
  private readonly seriesPrefix: string;
  private readonly retainedChanges: number;
  private readonly runningTime: RunningTime;

  constructor(
    private readonly connection: RedisConnection,
    options: { readonly keyPrefix: string; readonly retainedChanges: number; readonly clock: MonotonicClock },
  ) {
    super();
    const { revision: counter, index, changes, dues, running, expiries, entry, series } = redisNames(options.keyPrefix);
    this.keys = [counter, index, changes, dues, running, expiries];
    this.retainedChanges = options.retainedChanges;
    this.runningTime = new RunningTime(options.clock);
    this.entryPrefix = entry;
    this.seriesPrefix = series;
  }

  /** From now on this process measures the running time. The scripts do the rest. */
  async learnRunningTime(): Promise<void> {
    const [, , , , noted] = this.keys;
    this.runningTime.learn(Number(await this.connection.run((client) => client.get(noted))));
  }

  override async get(key: string): Promise<Entry | undefined> {
    checkKey(key);
    const reply = getReply.parse(await this.run(getScript, [key], [this.entryPrefix + key]));
    return reply === null ? undefined : { key, value: deserialise(reply[0]), revision: reply[1] };
  }

  override async list(prefix: string, page: Page = {}): Promise<EntryPage> {
    const { from, before, limit } = pageRange(prefix, page);
    const flat = listReply.parse(await this.run(listScript, [`[${from}`, `(${before}`, limit + 1]));
    const entries = groups(flat, 3).map(
      ([key, text, written]): Entry => ({ key: key ?? '', value: deserialise(text ?? ''), revision: Number(written) }),
    );
    const last = entries[limit - 1];
    if (entries.length <= limit || last === undefined) return { entries };
    return { entries: entries.slice(0, limit), cursor: cursorAfter(last.key) };
  }

  override async put(key: string, value: JsonValue, { ifRevision, ttlSeconds }: PutOptions = {}): Promise<number> {
    const compares = ifRevision === undefined ? [] : [{ key, revision: ifRevision }];
    const operation = { put: key, value, ...(ttlSeconds === undefined ? {} : { ttlSeconds }) };
    const outcome = await this.commit(compares, [operation]);
    if (!outcome.committed) throw conflict(key, ifRevision ?? 0);
    return outcome.revision;
  }

  override async delete(key: string, { ifRevision }: DeleteOptions = {}): Promise<boolean> {
    const compares = ifRevision === undefined ? [] : [{ key, revision: ifRevision }];
    const outcome = await this.commit(compares, [{ delete: key }]);
    if (!outcome.committed) throw conflict(key, ifRevision ?? 0);
    return outcome.deleted > 0;
  }

  override async transaction(
    compares: readonly Condition[],
    operations: readonly Operation[],
  ): Promise<TransactionOutcome> {
    const { deleted: _, ...outcome } = await this.commit(compares, operations);
    return outcome;
  }

  override async range(series: string, options: RangeOptions = {}): Promise<SeriesItem[]> {
    const { after, before, limit, newestFirst } = seriesRange(series, options);
    const bounds = [`(${after}-0`, `(${before}-0`];
    const command = newestFirst ? ['XREVRANGE', ...bounds.reverse()] : ['XRANGE', ...bounds];
    const name = this.seriesPrefix + series;
    const reply = await this.run(rangeScript, [name, ...command, limit, pageOfSeriesBytes], [name]);
    return groups(listReply.parse(reply), 2).map(([id, text]) => ({ id: Number(id), value: deserialise(text ?? '') }));
  }

  override watch(prefix: string, options: WatchOptions): AsyncIterable<WatchEvent> {
    checkPrefix(prefix);
    return this.feed.watch(prefix, options);
  }

  override async close(): Promise<void> {
    this.feed.close();
    this.connection.close();
  }

  async newestRevision(): Promise<number> {
    // A plain command. A script may need a second round trip, and then a write made right after this call would be
    // missed.
    const [counter] = this.keys;
    return Number((await this.connection.run((client) => client.get(counter))) ?? 0);
  }

  async changesAfter(after: number, limit: number, signal: AbortSignal): Promise<ChangePage> {
    while (!signal.aborted) {
      try {
        const [newestRevision, oldestRevision, ...flat] = await this.readChanges(after, limit);
        return { newestRevision, oldestRevision, changes: groups(flat, 3).map(changeFrom) };
      } catch (error) {
        // A watch survives a restart of the server. The readiness check tells about the restart.
        if (!(error instanceof Problem) || error.type !== 'unavailable') throw error;
        await pause(retryMs, { signal });
      }
    }
    return { changes: [], newestRevision: after, oldestRevision: 0 };
  }

  listen(onChange: () => void): () => void {
    const stopped = new AbortController();
    const connection = this.connection.duplicate(blockMs);
    void this.waitForChanges(connection, onChange, stopped.signal);
    return () => {
      stopped.abort();
      connection.close();
    };
  }

  private async waitForChanges(connection: RedisConnection, onChange: () => void, stopped: AbortSignal): Promise<void> {
    const [, , changes] = this.keys;
    let last = '$';
    while (!stopped.aborted) {
      try {
        const reply = await connection.run((client) =>
          client.xread('COUNT', 1000, 'BLOCK', blockMs, 'STREAMS', changes, last),
        );
        last = reply?.[0]?.[1].at(-1)?.[0] ?? last;
        this.runningTime.learn(runningTimeMs.parse(await this.run(sweepScript, [])));
      } catch {
        // The readers try again themselves. This pause only prevents a busy loop while the server is not there.
        await pause(retryMs, { signal: stopped });
      }
      onChange();
    }
  }

  private async commit(compares: readonly Condition[], operations: readonly Operation[]) {
    checkTransaction(compares, operations);
    const conditions = compares.map((compare) => this.conditionArguments(compare));
    const changes = operations.map((operation) => this.changeArguments(operation));
    const touched = [...compares, ...operations].map((step) => this.redisKeyOf(step));
    const args = [compares.length, ...conditions.flat(), ...changes.flat()];
    const reply = transactionReply.parse(await this.run(transactionScript, args, [...new Set(touched)]));
    const [committed, newest, deleted, runningMs, ...appended] = reply;
    this.runningTime.learn(runningMs);
    return { committed: committed === 1, revision: newest, deleted, appended };
  }

  private redisKeyOf(step: Condition | Operation): string {
    return (isOnSeries(step) ? this.seriesPrefix : this.entryPrefix) + placeOf(step);
  }

  private conditionArguments(compare: Condition): readonly (string | number)[] {
    if ('series' in compare) return ['series', this.redisKeyOf(compare), compare.newest];
    return ['key', compare.key, compare.revision];
  }

  private changeArguments(operation: Operation): readonly (string | number)[] {
    if ('put' in operation)
      return ['put', operation.put, serialise(operation.put, operation.value), lifetimeOf(operation.ttlSeconds)];
    if ('delete' in operation) return ['delete', operation.delete, '', ''];
    const name = this.redisKeyOf(operation);
    if ('append' in operation) return ['append', name, serialise(operation.append, operation.value), operation.at ?? 0];
    if ('trim' in operation) return ['trim', name, operation.keep ?? '', operation.before ?? ''];
    return ['drop', name, '', ''];
  }

  private async readChanges(after: number, limit: number) {
    return changesReply.parse(await this.run(changesScript, [after, limit]));
  }

  private run(
    script: RedisScript,
    args: readonly (string | number)[],
    entryKeys: readonly string[] = [],
  ): Promise<unknown> {
    const settings = [this.entryPrefix, this.retainedChanges, this.runningTime.ms, noteRunningTimeEveryMs];
    return this.connection.runScript(script, [...this.keys, ...entryKeys], [...settings, ...args]);
  }
}

/** Milliseconds; empty for an entry without a lifetime. */
function lifetimeOf(ttlSeconds: number | undefined): string {
  checkLifetime(ttlSeconds);
  return ttlSeconds === undefined ? '' : String(Math.ceil(ttlSeconds * 1000));
}

function changeFrom([key, text, written]: readonly (string | null)[]): LoggedChange {
  return { key: key ?? '', revision: Number(written), text: text ?? null };
}

/** Groups a flat reply. */
function groups<Item>(flat: readonly Item[], size: number): Item[][] {
  return Array.from({ length: flat.length / size }, (_, index) => flat.slice(index * size, (index + 1) * size));
}
