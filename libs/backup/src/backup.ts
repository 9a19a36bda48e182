import { hostname } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { configKeys, describeKey, type Settings } from '@sallyport/config';
import { codeOrMessage, errorCode, exists, isDiskFull, writeStreamAtomic } from '@sallyport/files';
import { Problem, type SiteId, siteRecord } from '@sallyport/protocol';
import {
  dumpRedisStore,
  dumpSqliteStore,
  openRedisStore,
  openSqliteStore,
  type RedisStoreOptions,
  type Store,
  type StoreRecord,
} from '@sallyport/store';
import { type ArchiveWriter, encryptedArchive, type Lock } from './archive-writer.js';
import { endName, type Folders, type Manifest, manifestName } from './manifest.js';
import { dataFiles, isInside, type SiteFile, settingsFiles, stateFiles } from './site-files.js';

export interface BackupOptions {
  readonly settings: Settings;
  /** Of the backup. Its folder must exist. A file that is there is replaced when the new one is complete. */
  readonly path: string;
  readonly lock: Lock;
  /** Also what devices have stored: transferred files and content of the connector. */
  readonly withFiles: boolean;
  readonly now: Date;
  /** Of Sallyport. */
  readonly version: string;
}

export interface BackupReport {
  readonly siteId: SiteId;
  readonly bytes: number;
  readonly files: number;
  readonly storeRecords: number;
  /** `KEY=PATH` for each file that settings name and that is not in the backup. */
  readonly outside: readonly string[];
}

const pieceOfStore = 1024 * 1024;

/**
 * Writes one encrypted file with everything of a site: keys, state, store and settings. The site may run meanwhile. The
 * store is in it as it was at one moment.
 *
 * @throws Problem `site-incomplete`: there is no site here
 * @throws Problem `unavailable`: the store does not answer
 * @throws Problem `storage-full`, `invalid-request`: the file cannot be written
 */
export async function makeBackup(options: BackupOptions): Promise<BackupReport> {
  const { path, lock } = options;
  const manifest = await manifestOf(options);
  const counts = { files: 0, storeRecords: 0 };
  const archive = await encryptedArchive(lock, (writer) => fill(writer, { ...options, manifest }, counts));
  try {
    const bytes = await writeStreamAtomic(path, archive, 0o600);
    return { siteId: manifest.siteId, bytes, ...counts, outside: manifest.outside };
  } catch (error) {
    throw problemOf(error, path);
  }
}

interface Filling extends BackupOptions {
  readonly manifest: Manifest;
}

interface Counts {
  files: number;
  storeRecords: number;
}

/** Journals come before the store, and CA keys after it: a store never knows less than the one, or more than the other. */
async function fill(writer: ArchiveWriter, { settings, withFiles, manifest }: Filling, counts: Counts): Promise<void> {
  const folders = foldersOf(settings);
  const add = async (files: AsyncIterable<SiteFile>) => {
    for await (const { folder, name, path } of files)
      if (await writer.addFile(`${folder}/${name}`, path)) counts.files += 1;
  };
  await writer.add(manifestName, JSON.stringify(manifest, undefined, 2));
  await add(stateFiles(folders));
  await add(settingsFiles(folders, settings.require('run.path')));
  counts.storeRecords = await addStore(writer, storeRecords(settings));
  await add(dataFiles(folders, withFiles));
  await writer.add(endName, JSON.stringify(counts));
}

/** In pieces of one MiB, because an archive must know the size of an entry before its content. */
async function addStore(writer: ArchiveWriter, records: AsyncIterable<StoreRecord>): Promise<number> {
  let [lines, bytes, count, piece]: [string[], number, number, number] = [[], 0, 0, 0];
  const flush = async () => {
    piece += 1;
    await writer.add(`store/${String(piece).padStart(6, '0')}.ndjson`, lines.join(''));
    [lines, bytes] = [[], 0];
  };
  for await (const record of records) {
    const line = `${JSON.stringify(record)}\n`;
    lines.push(line);
    bytes += line.length;
    count += 1;
    if (bytes >= pieceOfStore) await flush();
  }
  if (lines.length > 0) await flush();
  return count;
}

/** Where the folders of a site are. */
export function foldersOf({ directory, stateDirectory, dataDirectory }: Settings): Folders {
  return { config: directory, state: stateDirectory, data: dataDirectory };
}

/** The file of the embedded store. */
export function storeFileOf({ data }: Folders): string {
  return join(data, 'store', 'sallyport.db');
}

/** The store of these settings. An embedded one is made if it is missing. */
export function openStoreOf(settings: Settings): Promise<Store> {
  const server = serverOf(settings);
  return server === undefined ? openSqliteStore({ file: storeFileOf(foldersOf(settings)) }) : openRedisStore(server);
}

/** The Redis server of these settings, if they name one. */
export function serverOf(settings: Settings): RedisStoreOptions | undefined {
  const [url, passwordFile] = [settings.get('store.url'), settings.get('store.password_file')];
  if (url === undefined) return undefined;
  return { url, ...(passwordFile === undefined ? {} : { passwordFile }) };
}

/** Everything in the store of these settings. */
export function storeRecords(settings: Settings): AsyncGenerator<StoreRecord> {
  const server = serverOf(settings);
  return server === undefined ? dumpSqliteStore(storeFileOf(foldersOf(settings))) : dumpRedisStore(server);
}

async function manifestOf({ settings, now, version, withFiles }: BackupOptions): Promise<Manifest> {
  return {
    format: 'sallyport-backup',
    layout: 1,
    version,
    siteId: await siteIdOf(settings),
    createdAt: now.toISOString(),
    host: hostname(),
    folders: foldersOf(settings),
    store: settings.get('store.url') === undefined ? 'sqlite' : 'redis',
    hasFiles: withFiles,
    outside: await filesOutside(settings),
  };
}

/** From the store, because a backup without its site would be of no use. */
async function siteIdOf(settings: Settings): Promise<SiteId> {
  if (settings.get('store.url') === undefined && !(await exists(storeFileOf(foldersOf(settings)))))
    throw new Problem(
      'site-incomplete',
      'There is no site here: data.path has no store. Is this the right --config-dir?',
    );
  const store = await openStoreOf(settings);
  const entry = await store.get('pki-signer/site').finally(() => store.close());
  if (entry !== undefined) return siteRecord.parse(entry.value).siteId;
  throw new Problem('site-incomplete', 'The store knows no site, so there is nothing to back up.');
}

/** Files that settings name, and that lie in none of the folders. */
async function filesOutside(settings: Settings): Promise<string[]> {
  const folders = foldersOf(settings);
  const found: string[] = [];
  for (const key of configKeys) {
    const value = settings.get(key);
    if (
      settings.source(key) === 'default' ||
      !/(path|file)$/.test(key) ||
      typeof value !== 'string' ||
      !isAbsolute(value)
    )
      continue;
    if (key === 'run.path' || !describeKey(key).isRead || (await isInside(folders, value))) continue;
    if (await exists(value)) found.push(`${key}=${value}`);
  }
  return found;
}

function problemOf(error: unknown, path: string): unknown {
  const code = errorCode(error);
  if (code === undefined || error instanceof Problem) return error;
  if (isDiskFull(error))
    return new Problem('storage-full', `There is no room for the backup in ${dirname(path)}. Nothing was left there.`, {
      cause: error,
    });
  return new Problem('invalid-request', `The backup ${path} cannot be written (${codeOrMessage(error)}).`, {
    cause: error,
  });
}
