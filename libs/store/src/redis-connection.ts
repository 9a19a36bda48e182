import { readFile } from 'node:fs/promises';
import { backOffMs, pause } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import type { RedisScript } from './redis-scripts.js';
import type { MonotonicClock } from './running-time.js';

const defaultDeadlineMs = 5000;
// Short waits at first, because a replica takes over within seconds.
const reconnects = { firstMs: 50, longestMs: 2_000, factor: 1.2 };

export interface RedisTls {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
}

export interface RedisStoreOptions {
  /** `redis://[user@]host:port/db`, `rediss://` for TLS, or `unix:///path`. */
  readonly url: string;
  /** Prefix of every key of the store; default `sallyport`. */
  readonly keyPrefix?: string;
  /** PEM texts, for `rediss://`. */
  readonly tls?: RedisTls;
  /** A file whose first line is the password. So the password is in no URL and no environment. */
  readonly passwordFile?: string;
  /** Deadline of one call, with a reconnect, in milliseconds. Default 5000. */
  readonly deadlineMs?: number;
  /** How many of the newest changes a watch can resume from. Default 10 000. */
  readonly retainedChanges?: number;
  /** Clock for lifetimes; not the time of day. Default: the machine's monotonic clock. */
  readonly clock?: MonotonicClock;
}

type Client = Redis | Cluster;
type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

/**
 * A connection that fails early: each call has a deadline of 5 s, which includes the wait for a reconnect. A command is
 * never sent later, because its caller has been told that it failed.
 */
export class RedisConnection {
  private lastError: unknown;
  private readonly closing = new AbortController();

  private readonly client: Client;

  private constructor(
    private readonly connect: (commandTimeout: number) => Client,
    private readonly deadlineMs: number,
  ) {
    this.client = connect(deadlineMs);
    // Without a listener ioredis writes to the console.
    this.client.on('error', (error: unknown) => {
      this.lastError = error;
    });
  }

  /**
   * @throws Problem `unavailable`: no answer within the deadline. `config-invalid`: the server may delete what it was
   *   given to keep
   */
  static async open(options: RedisStoreOptions): Promise<RedisConnection> {
    const { deadlineMs = defaultDeadlineMs } = options;
    const clientOptions = await clientOptionsFrom(options);
    const single = new RedisConnection((commandTimeout) => new Redis({ ...clientOptions, commandTimeout }), deadlineMs);
    try {
      checkKeepsEverything(await single.run((client) => client.info('memory')));
      const about = await single.run((client) => client.info('cluster'));
      if (!about.includes('cluster_enabled:1')) return single;
    } catch (error) {
      single.close();
      throw error;
    }
    single.close();
    return new RedisConnection((commandTimeout) => clusterFrom({ ...clientOptions, commandTimeout }), deadlineMs);
  }

  /** Runs a script by its digest. Sends its text if the server does not know it. */
  async runScript(script: RedisScript, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.run(async (client) => {
      try {
        return await client.evalsha(script.sha1, keys.length, ...keys, ...args);
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
        return client.eval(script.text, keys.length, ...keys, ...args);
      }
    });
  }

  /** @throws Problem `unavailable`, `storage-full` */
  async run<Result>(command: (client: Client) => Promise<Result>): Promise<Result> {
    try {
      if (this.client.status !== 'ready') await this.ready();
      return await command(this.client);
    } catch (error) {
      throw this.problemOf(error);
    }
  }

  /** A second connection, for commands that block up to this long. */
  duplicate(blockMs: number): RedisConnection {
    return new RedisConnection(this.connect, this.deadlineMs + blockMs);
  }

  close(): void {
    this.closing.abort(new Error('the store is closed'));
    this.client.disconnect();
  }

  private async ready(): Promise<void> {
    const deadline = AbortSignal.any([AbortSignal.timeout(this.deadlineMs), this.closing.signal]);
    while (this.client.status !== 'ready') {
      if (deadline.aborted) throw this.lastError ?? deadline.reason;
      await pause(20, { signal: deadline });
    }
  }

  private problemOf(error: unknown): Problem {
    const reason = error instanceof Error ? error.message : String(error);
    if (isAnswer(reason, 'OOM'))
      return new Problem('storage-full', 'Redis has reached its maxmemory. Raise it, then try again.', {
        cause: error,
      });
    return new Problem('unavailable', `Redis does not answer: ${reason}. Check store.url and the Redis server.`, {
      cause: error,
    });
  }
}

/**
 * When its memory is full, Redis may delete any key (`allkeys-*`) or keys with a lifetime (`volatile-*`). For Redis our
 * keys have no lifetime. A deleted key could be the revocation of a device.
 *
 * @param info the answer to `INFO memory`; a server that is not Redis may leave out the policy
 * @throws Problem `config-invalid`
 */
function checkKeepsEverything(info: string): void {
  const policy = /^maxmemory_policy:(allkeys-[a-z]+)/m.exec(info)?.[1];
  if (policy === undefined) return;
  throw new Problem(
    'config-invalid',
    `Redis deletes keys when its memory is full (maxmemory-policy ${policy}), revoked devices among them. Set maxmemory-policy noeviction in redis.conf, and run: redis-cli config set maxmemory-policy noeviction`,
  );
}

async function clientOptionsFrom(options: RedisStoreOptions): Promise<ClientOptions> {
  const { url, tls, passwordFile, deadlineMs = defaultDeadlineMs } = options;
  const target = parseUrl(url);
  const password =
    passwordFile === undefined ? target.password : (await readFile(passwordFile, 'utf8')).split(/\r?\n/, 1)[0];
  return {
    ...target,
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls: { ...target.tls, ...tls } }),
    connectionName: 'sallyport',
    connectTimeout: deadlineMs,
    enableOfflineQueue: false,
    // If the connection breaks, a sent command may have been executed. The caller decides whether to repeat it.
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: reconnectDelay,
    // After a fail-over the old primary answers READONLY. Reconnect to find the new one.
    reconnectOnError: (error) => isAnswer(error.message, 'READONLY'),
  };
}

function clusterFrom(redisOptions: ClientOptions): Cluster {
  const { host = 'localhost', port = 6379 } = redisOptions;
  return new Cluster([{ host, port }], {
    redisOptions,
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnectDelay,
  });
}

/**
 * Whether a reply is this error. Redis 6 wraps errors of commands in a script: `ERR Error running script …: -OOM …`.
 */
function isAnswer(reply: string, code: string): boolean {
  return reply.startsWith(`${code} `) || (reply.startsWith('ERR ') && reply.includes(` -${code} `));
}

function reconnectDelay(attempts: number): number {
  return backOffMs(attempts, reconnects);
}

function parseUrl(text: string): ClientOptions {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'unix:') return { path: decodeURIComponent(url.pathname) };
  // The URL may hold a password, so the message does not repeat it.
  if (url === undefined || (url.protocol !== 'redis:' && url.protocol !== 'rediss:'))
    throw new Problem(
      'config-invalid',
      'store.url is not a Redis URL: use redis://host:port/db, rediss:// or unix:///path.',
    );
  const db = url.pathname.slice(1);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    ...(db === '' ? {} : { db: Number(db) }),
    ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
  };
}
