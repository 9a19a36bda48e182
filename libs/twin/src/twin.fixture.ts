import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRedisStore, openSqliteStore, type Store, scopedStore } from '@sallyport/store';
import { spawnRedis, TestClock } from '@sallyport/testkit';
import { Twin, type TwinOptions } from './index.js';

export const startMicros = Date.parse('2026-03-01T12:00:00Z') * 1000;

/** An engine, and what tests have opened on it. */
export class TwinEngine {
  private readonly opened: { close(): unknown }[] = [];
  private spaces = 0;
  private stopEngine: () => Promise<unknown> = async () => undefined;
  private openStore: (space: string) => Promise<Store> = () => Promise.reject(new Error('not started'));

  constructor(readonly name: 'SQLite' | 'Redis') {}

  async start(): Promise<void> {
    if (this.name === 'Redis') {
      const redis = await spawnRedis();
      this.stopEngine = () => redis.stop();
      this.openStore = (space) => openRedisStore({ url: redis.url, keyPrefix: space });
      return;
    }
    const directory = await mkdtemp(join(tmpdir(), 'sallyport-twin-'));
    this.stopEngine = () => rm(directory, { recursive: true, force: true });
    this.openStore = (space) => openSqliteStore({ file: join(directory, `${space}.db`) });
  }

  async stop(): Promise<void> {
    for (const { close } of this.opened) await close();
    await this.stopEngine();
  }

  newSpace(): string {
    this.spaces += 1;
    return `space-${this.spaces}`;
  }

  /** A twin with a clock that stands still. The same space opens the same values again, as another process would. */
  readonly open = async (space = this.newSpace(), options: Partial<TwinOptions> = {}) => {
    const clock = new TestClock(new Date(startMicros / 1000));
    const whole = await this.openStore(space);
    const store = scopedStore(whole, 'connector/values/');
    const twin = new Twin(store, { clock, ...options });
    this.opened.push({ close: () => whole.close() }, { close: () => twin.close() });
    return { twin, store, clock };
  };
}

export function everyTwin(): TwinEngine[] {
  return [new TwinEngine('SQLite'), new TwinEngine('Redis')];
}

export function valuesOf(values: Record<string, string>): Map<string, string> {
  return new Map(Object.entries(values));
}
