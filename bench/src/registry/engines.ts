import { stat } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { openRedisStore, openSqliteStore, type Store } from '@sallyport/store';
import { spawnRedis, type TemporaryDirectory } from '@sallyport/testkit';

/** A store engine: how a service finds it, and how much room it takes. */
export interface BenchedEngine {
  readonly name: string;
  /** Lines of the settings of a service. */
  readonly settings: readonly string[];
  open(): Promise<Store>;
  /** On disk for SQLite, in memory for Redis. */
  bytes(): Promise<number>;
  stop(): Promise<void>;
}

/** @param directory that of the service */
export function sqliteEngine(directory: TemporaryDirectory): BenchedEngine {
  const file = directory.file('data', 'store', 'sallyport.db');
  return {
    name: 'SQLite',
    settings: [],
    open: () => openSqliteStore({ file }),
    bytes: async () => (await stat(file)).size,
    stop: async () => undefined,
  };
}

export async function redisEngine(): Promise<BenchedEngine> {
  const redis = await spawnRedis();
  return {
    name: 'Redis',
    settings: ['[store]', `url = "${redis.url}"`],
    open: () => openRedisStore({ url: redis.url }),
    bytes: () => usedMemory(redis.port),
    stop: () => redis.stop(),
  };
}

function usedMemory(port: number): Promise<number> {
  const connection = createConnection({ port, host: '127.0.0.1' });
  return new Promise((resolve, reject) => {
    let text = '';
    connection.once('error', reject);
    connection.on('data', (part) => {
      text += part.toString();
      const found = /^used_memory:(\d+)/m.exec(text);
      if (found === null) return;
      connection.destroy();
      resolve(Number(found[1]));
    });
    connection.write('INFO memory\r\n');
  });
}
