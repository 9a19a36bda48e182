import { join } from 'node:path';
import type { Settings } from '@sallyport/config';
import { makeFolder } from '@sallyport/files';
import { openRedisStore, openSqliteStore, type Store } from '@sallyport/store';
import { SystemClock } from './clock.js';
import { FaultLog } from './fault-log.js';
import type { Log } from './log.js';
import { untilAvailable } from './until-available.js';

/**
 * The store the settings name. With `store.url` it is Redis, and we wait until Redis answers. Otherwise it is one SQLite
 * file in the data directory.
 *
 * @throws Problem `unavailable`: the file cannot be opened.
 */
export async function openConfiguredStore(settings: Settings, log: Log): Promise<Store> {
  const url = settings.get('store.url');
  const passwordFile = settings.get('store.password_file');
  if (url !== undefined) {
    const waiting = new FaultLog(log, new SystemClock(), 'waiting for the store');
    const options = { url, ...(passwordFile === undefined ? {} : { passwordFile }) };
    return untilAvailable(() => openRedisStore(options), waiting.note);
  }
  const directory = join(settings.require('data.path'), 'store');
  await makeFolder(directory, 0o700);
  return openSqliteStore({ file: join(directory, 'sallyport.db') });
}
