import { constants } from 'node:fs';
import { type FileHandle, open, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder, processWithOpenFile, syncFolder } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';

/** A segment that is being written. */
export interface SegmentFile {
  /** Resolves when the bytes are on disk, not in the cache of the kernel. */
  write(bytes: Uint8Array, at: number): Promise<void>;
  close(): Promise<void>;
}

/** Where the segments of a journal are. */
export interface JournalDisk {
  names(): Promise<string[]>;
  read(name: string): Promise<Buffer>;
  /** Makes a segment; its name is on disk when this resolves. */
  create(name: string): Promise<SegmentFile>;
  /** Opens a segment to write behind its first so many bytes; cuts what follows them. */
  reopen(name: string, length: number): Promise<SegmentFile>;
  remove(name: string): Promise<void>;
  close(): Promise<void>;
}

const fileMode = 0o600;
const folderMode = 0o700;
// O_DSYNC: a write returns when bytes and length are on disk, as with fdatasync. It is one task for the thread pool
// where write and fdatasync are two.
const writeFlags = constants.O_WRONLY | constants.O_DSYNC;
const lockName = 'lock';

/**
 * A folder as the disk of a journal; no other process can open it meanwhile.
 *
 * @throws Problem `conflict`: a process uses the folder already
 */
export async function openJournalFolder(folder: string): Promise<JournalDisk> {
  await makeFolder(folder, folderMode);
  const lock = await lockFolder(folder);
  return {
    names: async () => (await readdir(folder)).filter((name) => !name.startsWith(lockName)),
    read: (name) => readFile(join(folder, name)),
    create: async (name) => {
      const flags = writeFlags | constants.O_CREAT | constants.O_TRUNC;
      const file = await open(join(folder, name), flags, fileMode);
      await syncFolder(folder);
      return segmentFile(file);
    },
    reopen: async (name, length) => {
      await truncate(join(folder, name), length);
      return segmentFile(await open(join(folder, name), writeFlags));
    },
    remove: (name) => rm(join(folder, name), { force: true }),
    close: async () => lock.close(),
  };
}

/** Node has no file locks, but SQLite has. The kernel drops the lock when the process ends, however it ends. */
async function lockFolder(folder: string): Promise<DatabaseSync> {
  const path = join(folder, lockName);
  // SQLite would make the file with the mode of the umask.
  await (await open(path, constants.O_RDWR | constants.O_CREAT, fileMode)).close();
  const lock = new DatabaseSync(path, { timeout: 0 });
  try {
    lock.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return lock;
  } catch (cause) {
    lock.close();
    const holder = await processWithOpenFile(path);
    if (holder === undefined)
      throw new Problem('conflict', 'Another process uses the messages of the MQTT broker. Stop it first.', { cause });
    throw new Problem(
      'conflict',
      `Sallyport already runs here (process ${holder}). Use that one, or stop it (kill ${holder}) and start again. A second site needs another --config-dir.`,
      { cause },
    );
  }
}

function segmentFile(file: FileHandle): SegmentFile {
  return {
    write: async (bytes, at) => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
        done += bytesWritten;
      }
    },
    close: () => file.close(),
  };
}
