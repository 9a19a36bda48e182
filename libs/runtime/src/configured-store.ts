import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Settings } from '@sallyport/config';
import { openRedisStore, openSqliteStore, type Store } from '@sallyport/store';

/**
 * The store the settings name: Redis when `store.url` is set, else one SQLite file in the data directory.
 *
 * @throws Problem `unavailable`: it cannot be opened.
 */
export async function openConfiguredStore(settings: Settings): Promise<Store> {
  const url = settings.get('store.url');
  const passwordFile = settings.get('store.password_file');
  if (url !== undefined) return openRedisStore({ url, ...(passwordFile === undefined ? {} : { passwordFile }) });
  const directory = join(settings.require('data.path'), 'store');
  await mkdir(directory, { recursive: true, mode: 0o700 });
  return openSqliteStore({ file: join(directory, 'sallyport.db') });
}
