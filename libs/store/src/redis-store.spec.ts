import { writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { freePort, spawnRedis, startDaemon, temporaryDirectory } from '@sallyport/testkit';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { openRedisStore, type RedisStoreOptions, type Store, type WatchEvent } from './index.js';

/** A server that takes every command, and answers the scripts it is sent with these errors, one after the other. */
async function redisThatAnswersScripts(errors: readonly string[]) {
  const waiting = [...errors];
  const sockets: Socket[] = [];
  const about = 'redis_version:6.0.16\r\nloading:0\r\n';
  const answers = new Map([
    ['info', () => `$${about.length}\r\n${about}\r\n`],
    ['evalsha', () => `-${waiting.shift() ?? 'ERR'}\r\n`],
  ]);
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      for (const [, name = ''] of String(chunk).matchAll(/\*\d+\r\n\$\d+\r\n(\w+)\r\n/g))
        socket.write(answers.get(name.toLowerCase())?.() ?? '+OK\r\n');
    });
  });
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  const connections = () => sockets.length;
  return { url: `redis://127.0.0.1:${port}`, connections, [Symbol.asyncDispose]: stop };
}

describe('Redis store', () => {
  const cleanUps: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  const start = async (...args: string[]) => {
    const redis = await spawnRedis({ args });
    cleanUps.push(() => redis.kill());
    return redis;
  };
  const open = async (options: RedisStoreOptions): Promise<Store> => {
    const store = await openRedisStore(options);
    cleanUps.push(() => store.close());
    return store;
  };

  it('keeps what an older version would delete by the time of day for 400 days of running at least', async () => {
    const { url } = await start();
    const raw = new Redis(url);
    await raw.hset('{sallyport}:entry:revocation', { v: '1', r: '1', x: '1000' });
    await raw.zadd('{sallyport}:index', 0, 'revocation');
    await raw.zadd('{sallyport}:expiries', 1000, 'revocation');
    raw.disconnect();
    const clock = { nowMs: 0 };
    const store = await open({ url, clock: () => clock.nowMs });
    await store.put('other', 1);
    clock.nowMs += 399 * 86_400_000;
    await store.put('other', 2);
    expect((await store.get('revocation'))?.value).toBe(1);
    clock.nowMs += 86_400_000;
    await store.put('other', 3);
    expect((await store.list('')).entries.map(({ key }) => key)).toEqual(['other']);
  });

  it('goes on after the server was restarted, and so do its watches', async () => {
    await using directory = temporaryDirectory();
    const args = (port: number) => ['--port', String(port), '--dir', directory.path, '--appendonly', 'yes'];
    const first = await startDaemon({ program: 'redis-server', args });
    const store = await open({ url: `redis://127.0.0.1:${first.port}` });
    const events: WatchEvent[] = [];
    const controller = new AbortController();
    const reading = (async () => {
      for await (const event of store.watch('', { signal: controller.signal })) events.push(event);
    })();
    await store.put('a', 1);
    await first.stop();
    await using _second = await startDaemon({ program: 'redis-server', args, port: first.port });
    await store.put('a', 2);
    await expect.poll(() => events).toHaveLength(2);
    expect(events).toMatchObject([{ entry: { value: 1 } }, { entry: { value: 2 } }]);
    controller.abort();
    await reading;
  });

  it('answers "unavailable" within its deadline while the server is gone', async () => {
    const redis = await start();
    const store = await open({ url: redis.url, deadlineMs: 500 });
    await store.put('a', 1);
    await redis.kill();
    const startedAt = performance.now();
    await expect(store.get('a')).rejects.toMatchObject({ type: 'unavailable' });
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });

  it('answers "unavailable" within its deadline while the server hangs', async () => {
    const redis = await start();
    const store = await open({ url: redis.url, deadlineMs: 500 });
    await store.put('a', 1);
    process.kill(redis.pid, 'SIGSTOP');
    const startedAt = performance.now();
    await expect(store.put('a', 2)).rejects.toMatchObject({ type: 'unavailable' });
    expect(performance.now() - startedAt).toBeLessThan(1500);
  });

  it('says so when the server has no memory left, and goes on reading', async () => {
    const redis = await start('--maxmemory-policy', 'noeviction');
    const store = await open({ url: redis.url });
    await store.put('a', 1);
    const admin = new Redis(redis.url);
    cleanUps.push(async () => admin.disconnect());
    await admin.config('SET', 'maxmemory', '1mb');
    await expect(store.put('b', 'x'.repeat(500_000))).rejects.toMatchObject({ type: 'storage-full' });
    expect((await store.get('a'))?.value).toBe(1);
  });

  it.each(['allkeys-lru', 'allkeys-random'])(
    'refuses a server that forgets when memory is short (%s)',
    async (policy) => {
      const redis = await start('--maxmemory-policy', policy);
      await expect(openRedisStore({ url: redis.url })).rejects.toMatchObject({
        type: 'config-invalid',
        message: expect.stringContaining(`maxmemory-policy ${policy}`),
      });
    },
  );

  it('opens on a server that forgets nothing but keys with a lifetime, of which the store makes none', async () => {
    const redis = await start('--maxmemory-policy', 'volatile-lru');
    const store = await open({ url: redis.url });
    await store.put('a', 1, { ttlSeconds: 60 });
    const admin = new Redis(redis.url);
    cleanUps.push(async () => admin.disconnect());
    for (const key of await admin.keys('*')) expect(await admin.ttl(key)).toBe(-1);
  });

  it('understands the errors of Redis 6, which wraps what a command inside a script answered', async () => {
    const errors = ["-OOM command not allowed when used memory > 'maxmemory'.", '-READONLY You can not write.'];
    await using server = await redisThatAnswersScripts(errors.map((error) => `ERR Error running script: ${error}`));
    const store = await open({ url: server.url, deadlineMs: 2000 });
    await expect(store.put('a', 1)).rejects.toMatchObject({ type: 'storage-full' });
    await expect(store.put('a', 1)).rejects.toMatchObject({ type: 'unavailable' });
    // The demoted primary is left for whoever answers at the address now.
    await expect.poll(() => server.connections()).toBe(2);
  });

  it('says where to look when there is no server', async () => {
    await expect(openRedisStore({ url: 'redis://127.0.0.1:1', deadlineMs: 300 })).rejects.toThrow(
      /Redis does not answer: .*ECONNREFUSED.* Check store\.url and the Redis server/,
    );
  });

  it.each(['http://localhost', 'redis', ''])('refuses %j as an address', async (url) => {
    await expect(openRedisStore({ url })).rejects.toMatchObject({ type: 'config-invalid' });
  });

  it('takes the password from a file and never tells it', async () => {
    await using directory = temporaryDirectory();
    const redis = await start('--requirepass', 'correct horse');
    const passwordFile = directory.file('password');
    await writeFile(passwordFile, 'correct horse\n', { mode: 0o600 });
    const store = await open({ url: redis.url, passwordFile });
    expect(await store.put('a', 1)).toBe(1);
    const failure = await openRedisStore({ url: redis.url, deadlineMs: 300 }).catch(String);
    expect(failure).toContain('Redis does not answer');
    expect(failure).not.toContain('correct horse');
  });

  it('keeps every key of a store in one slot of a Redis Cluster', async () => {
    const clustered = ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())];
    const redis = await start(...clustered, '--cluster-announce-ip', '127.0.0.1');
    const admin = new Redis(redis.url);
    cleanUps.push(async () => admin.disconnect());
    await admin.call('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
    await expect.poll(() => admin.cluster('INFO')).toContain('cluster_state:ok');
    const store = await open({ url: redis.url });
    const seen = await store.put('devices/child01', 'active');
    await store.transaction(
      [{ key: 'devices/child01', revision: seen }],
      [
        { put: 'devices/child01', value: 'locked' },
        { put: 'audit/1', value: 'locked' },
      ],
    );
    const slots = await Promise.all((await admin.keys('*')).map((key) => admin.cluster('KEYSLOT', key)));
    expect(slots.length).toBeGreaterThan(3);
    expect(new Set(slots).size).toBe(1);
    for await (const event of store.watch('audit/', { signal: AbortSignal.timeout(5000), afterRevision: seen })) {
      expect(event).toEqual({ type: 'put', entry: { key: 'audit/1', value: 'locked', revision: seen + 2 } });
      break;
    }
  });
});
