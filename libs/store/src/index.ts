export { Lease, type LeaseOptions } from './lease.js';
export { placeOf } from './limits.js';
export { Outbox, type OutboxRunOptions } from './outbox.js';
export type { RedisStoreOptions, RedisTls } from './redis-connection.js';
export { dumpRedisStore, moveRedisStoreAside } from './redis-dump.js';
export { openRedisStore } from './redis-store.js';
export { scopedStore } from './scoped-store.js';
export { dumpSqliteStore } from './sqlite-dump.js';
export { openSqliteStore, type SqliteStoreOptions } from './sqlite-store.js';
export {
  type Compare,
  type Condition,
  type DeleteOptions,
  type Entry,
  type EntryOperation,
  type EntryPage,
  type JsonValue,
  type ListOptions,
  type Operation,
  type Page,
  type PutOptions,
  type RangeOptions,
  type SeriesCompare,
  type SeriesItem,
  type SeriesOperation,
  Store,
  type TransactionOutcome,
  type WatchEvent,
  type WatchOptions,
} from './store.js';
export { fillStore, type StoreRecord } from './store-dump.js';
