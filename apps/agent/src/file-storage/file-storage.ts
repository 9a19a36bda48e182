import { rmdirSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { KeyedSemaphore } from '@sallyport/concurrency';
import { hasCode, isAbsent } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { BodyGarbage } from './body-garbage.js';
import { ChangeLocks } from './change-locks.js';
import { explainFault } from './file-system-fault.js';
import { type FileVersion, UploadClock } from './file-version.js';
import { FolderFlushes } from './folder-flushes.js';
import { type Destination, entryOf, Folders } from './folders.js';
import { type HotFile, HotFiles } from './hot-files.js';
import { IncomingFile, smallFileBytes } from './incoming-file.js';
import { OpenFile } from './open-file.js';
import { PeerSendQuota } from './peer-send-quota.js';
import type { QuotaClaim } from './quota-claim.js';
import { spaceOf } from './space.js';
import { StallWatch } from './stall-watch.js';
import { StorageModes } from './storage-modes.js';
import { isDirectory, type StoragePath } from './storage-path.js';
import { type QuotaLimits, StorageQuota } from './storage-quota.js';
import { lookAt, type StoredEntry, unlinkIfPresent, versionOf } from './stored-entry.js';
import { countStored, removeStaleUploads } from './stored-tree.js';
import { TemporaryFile } from './temporary-file.js';
import { downloadBuffers, mostDownloads, TransferBuffers, uploadBuffers } from './transfer-buffers.js';

export interface StorageOptions {
  /** The root folder; it is made when it is missing. */
  readonly directory: string;
  /** How much may be stored; unlimited when absent. */
  readonly limits?: QuotaLimits;
  /** The file that remembers the owner of each stored file over restarts; without it they are only in memory. */
  readonly ownersJournal?: string;
  /** Permission bits that no file and no folder gets; by default 0o027 and the umask of the process. */
  readonly umask?: number;
  /** Folders outside `directory` whose files may be read through links below it. */
  readonly linkTargets?: readonly string[];
  /**
   * The event that an acknowledged change survives. `power-cut` (default) forces content and names to disk first. With
   * `process-end` the kernel decides when to write them. In both cases a file is complete or absent.
   */
  readonly durability?: Durability;
  readonly nowMs: () => number;
  /** Called with the number of bytes of an upload that go to the disk. */
  readonly onReceived?: (bytes: number) => void;
}

export type Durability = 'power-cut' | 'process-end';

/** Throws to refuse a change. `current` is the file that would be replaced or removed; undefined if there is none. */
export type VersionCheck = (current: FileVersion | undefined) => void;

/**
 * Files in folders below one root. A reader gets one complete version. A change is one step, and durable when resolved.
 */
export class FileStorage {
  /** Shared by all downloads of this storage. */
  readonly buffers = new TransferBuffers(downloadBuffers);
  readonly sendQuota = new PeerSendQuota();
  readonly stallWatch = new StallWatch();
  readonly downloads = new KeyedSemaphore(mostDownloads);
  private readonly uploadBuffers = new TransferBuffers(uploadBuffers);
  private readonly garbage = new BodyGarbage();
  private readonly locks = new ChangeLocks();
  private readonly folderFlushes = new FolderFlushes();
  private readonly folders: Folders;
  private readonly hotFiles: HotFiles;
  private readonly uploadClock: UploadClock;
  private readonly isFlushed: boolean;
  private readonly onReceived: ((bytes: number) => void) | undefined;
  private readonly modes: StorageModes;
  private quota: StorageQuota | undefined;

  private constructor(
    /** The root folder of the storage, with all links resolved. */
    private readonly root: string,
    private readonly readableLocations: readonly string[],
    { nowMs, durability = 'power-cut', umask, onReceived }: StorageOptions,
  ) {
    this.modes = new StorageModes(umask);
    this.folders = new Folders(root, this.modes);
    this.hotFiles = new HotFiles(nowMs);
    this.uploadClock = new UploadClock(nowMs);
    this.isFlushed = durability === 'power-cut';
    this.onReceived = onReceived;
  }

  /**
   * Makes the root folder, removes unfinished uploads of an earlier process, and counts the files if there is a quota.
   */
  static async open(options: StorageOptions): Promise<FileStorage> {
    const { directory: path, linkTargets = [], limits, ownersJournal, nowMs } = options;
    new StorageModes(options.umask).openRoot(path);
    const root = await realpath(path);
    const readable = [root, ...(await Promise.all(linkTargets.map(locationOf)))];
    const storage = new FileStorage(root, readable, options);
    await removeStaleUploads(root);
    if (limits === undefined) return storage;
    storage.quota = await StorageQuota.open({
      ...{ limits, nowMs, ...(ownersJournal === undefined ? {} : { ownersJournal }) },
      count: (tell) => countStored(root, tell),
      atStandstill: (task) => storage.locks.atStandstill(task),
    });
    return storage;
  }

  /** A small file, if it is in memory and has not changed on disk. */
  hotFile(path: StoragePath): HotFile | undefined {
    return this.hotFiles.get(this.diskPath(path));
  }

  /** Keeps the content of a small file that has just been read from `file`. */
  keepHot(path: StoragePath, file: OpenFile, content: Buffer): void {
    this.hotFiles.remember(this.diskPath(path), {
      version: file.version,
      stats: file.stats,
      content: content.toString('latin1'),
    });
  }

  /** @throws Problem `not-found`: nothing there, a folder, or a link that leads out of the storage. */
  async openFile(path: StoragePath): Promise<OpenFile> {
    const file = await this.openIfPresent(path);
    if (file === undefined) throw new Problem('not-found', `File not found: ${JSON.stringify(path.text)}`);
    return file;
  }

  /**
   * Starts to receive a file. Before `commit`, nothing is visible and no folder is made.
   *
   * @param expectedBytes size announced by the sender, if known
   * @param check called now, and again when the file takes its place
   * @param pieces `ours`: the storage owns the written pieces from then on, and empties them after copying
   * @param owner of the share of the storage that the file uses; no share is used when absent
   * @param peer that sends the file; all its transfers share one part of the buffers
   * @throws Problem `conflict`: a folder has this name; `storage-full`: the quota does not allow it.
   */
  async receive(path: StoragePath, options: ReceiveOptions): Promise<IncomingFile> {
    if (path.segments.length === 0) throw isDirectory('conflict', path.text);
    const { expectedBytes, check, owner, peer, pieces = 'shared' } = options;
    // Receiving a small body is cheaper than looking at the disk, so it is checked only when it takes its place.
    if (!isSmall(options)) this.judge(path, entryOf(this.folders.find(path)), check);
    const claim = this.quota?.claimFor(path.text, owner);
    if (expectedBytes !== undefined) await claim?.expect(expectedBytes);
    return new IncomingFile({
      buffers: this.uploadBuffers.shareOf(peer),
      letGo: pieces === 'ours' ? (piece) => this.garbage.free(piece) : (part) => this.garbage.add(part.length),
      reserve: (bytes) => {
        this.onReceived?.(bytes);
        return claim?.use(bytes);
      },
      // Use the deepest folder that exists, because the missing folders below it will be on the same file system.
      create: () => TemporaryFile.create(this.folders.find(path).folder, this.modes),
      publish: (temporary) => this.publish(temporary, { path, claim, check }),
      release: () => claim?.release(),
    });
  }

  /**
   * Removes a file, a link, or an empty folder. Succeeds when there is nothing.
   *
   * @throws Problem `not-found`: the path is the root; `conflict`: the folder is not empty.
   */
  async remove(path: StoragePath, check?: VersionCheck): Promise<void> {
    if (path.segments.length === 0) throw isDirectory('not-found', path.text);
    await this.locks.change(keyOf(path), async () => {
      const destination = this.findIfPresent(path);
      const entry = destination === undefined ? undefined : entryOf(destination);
      if (destination === undefined || entry === undefined) check?.(undefined);
      else if (await this.removeEntry(entry, path, check)) await this.flush([destination.folder]);
    });
  }

  private async publish(temporary: TemporaryFile, { path, claim, check }: PendingUpload): Promise<void> {
    temporary.stamp(this.uploadClock.next());
    if (this.isFlushed) await temporary.flush();
    // A file in the root needs no new folder, so we need not look at the disk.
    if (path.segments.length > 1) await claim?.expectFolders(this.folders.find(path).missing.length);
    const changed = await this.locks.change(keyOf(path), async () => {
      const { folders, entry } = this.folders.make(path, (folder) => claim?.settleFolder(this.placeOf(folder)));
      const { own } = this.judge(path, entry, check);
      const stored = temporary.complete(this.modes);
      await temporary.moveTo(entry, own?.size ?? 0);
      claim?.settle({ place: this.placeOf(entry), stored, replaced: spaceOf(own) });
      return folders;
    });
    await this.flush(changed);
  }

  private async flush(folders: readonly string[]): Promise<void> {
    if (this.isFlushed) await Promise.all(folders.map((folder) => this.folderFlushes.flush(folder)));
  }

  /** Returns the entry that an upload would replace; throws if it must not. */
  private judge(path: StoragePath, entry: string | undefined, check: VersionCheck | undefined): StoredEntry {
    const present = entry === undefined ? nothing : lookAt(entry, this.readableLocations);
    if (present.shown?.isDirectory()) throw isDirectory('conflict', path.text);
    check?.(versionOf(present));
    return present;
  }

  /** True when there was something to remove. */
  private async removeEntry(entry: string, path: StoragePath, check: VersionCheck | undefined): Promise<boolean> {
    const present = lookAt(entry, this.readableLocations);
    check?.(versionOf(present));
    if (present.own === undefined) return false;
    // Synchronous, like the check before it, so no other code of this process can use the folder in between.
    if (present.own.isDirectory()) removeEmptyFolder(entry, path);
    else if (!(await unlinkIfPresent(entry))) return false;
    this.quota?.forget(this.placeOf(entry), spaceOf(present.own));
    return true;
  }

  private async openIfPresent(path: StoragePath): Promise<OpenFile | undefined> {
    try {
      return await OpenFile.open(this.diskPath(path), this.readableLocations);
    } catch (error) {
      // ENXIO: the path is a socket, or a pipe without a reader.
      if (isAbsent(error) || hasCode(error, 'ENXIO')) return undefined;
      throw error;
    }
  }

  private findIfPresent(path: StoragePath): Destination | undefined {
    try {
      return this.folders.find(path);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }

  /** The path of an entry relative to the root, with links resolved. */
  private placeOf(location: string): string {
    return location.slice(this.root.length + 1);
  }

  private diskPath(path: StoragePath): string {
    return `${this.root}/${keyOf(path)}`;
  }
}

const nothing: StoredEntry = { own: undefined, shown: undefined };

interface ReceiveOptions {
  readonly expectedBytes?: number;
  readonly check?: VersionCheck;
  readonly owner?: string;
  readonly peer: string;
  readonly pieces?: 'ours' | 'shared';
}

interface PendingUpload {
  readonly path: StoragePath;
  readonly claim: QuotaClaim | undefined;
  readonly check: VersionCheck | undefined;
}

function isSmall({ expectedBytes, check }: ReceiveOptions): boolean {
  return check === undefined && expectedBytes !== undefined && expectedBytes <= smallFileBytes;
}

/** @throws Problem `conflict`: the folder is not empty. */
function removeEmptyFolder(folder: string, { text }: StoragePath): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if (!isAbsent(error)) throw explainFault(error, text);
  }
}

function keyOf(path: StoragePath): string {
  return path.segments.join('/');
}

/** The path of a folder with links resolved, also when the folder does not exist yet. */
async function locationOf(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    if (!isAbsent(error) || dirname(folder) === folder) throw error;
    return join(await locationOf(dirname(folder)), basename(folder));
  }
}
