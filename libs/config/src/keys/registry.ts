import { ipAddress, port, redisUrl } from '../network-values.js';
import { optionalSetting, setting } from '../setting.js';
import { absolutePath } from '../text-values.js';

const isOwn = true;

/** The device registry's network admin API, and where state is kept. */
export const registryKeys = {
  'registry.bind.address': setting(ipAddress, {
    doc: 'Address the admin API of the device registry listens on.',
    default: '127.0.0.1',
    examples: ['127.0.0.1'],
    isOwn,
  }),
  'registry.bind.port': setting(port, {
    doc: 'Port the admin API of the device registry listens on; 0 takes any free port.',
    default: 8002,
    examples: ['8002'],
    isOwn,
  }),
  'registry.cert_path': optionalSetting(absolutePath, {
    doc: 'Certificate of the admin API (PEM, leaf first).',
    isOwn,
  }),
  'registry.key_path': optionalSetting(absolutePath, {
    doc: 'Private key of `registry.cert_path` (PEM).',
    isOwn,
  }),
  'registry.ca_path': optionalSetting(absolutePath, {
    doc: 'File or directory of CA certificates (PEM) that administrators must prove themselves with.',
    isOwn,
  }),
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
