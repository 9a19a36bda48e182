import { redisUrl } from '../network-values.js';
import { optionalSetting } from '../setting.js';
import { absolutePath } from '../text-values.js';

const isOwn = true;

/** Where the services keep their state. */
export const storeKeys = {
  'store.url': optionalSetting(redisUrl, {
    doc: 'Redis server that keeps the state of all services. Unset: an SQLite file below `data.path`.',
    examples: ['redis://redis.internal:6379/0', 'rediss://redis.internal:6380/0'],
    isOwn,
  }),
  'store.password_file': optionalSetting(absolutePath, {
    doc: 'File whose first line is the password of the Redis server.',
    examples: ['/run/secrets/redis-password'],
    isOwn,
  }),
} as const;
