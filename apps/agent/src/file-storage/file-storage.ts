import { rmdirSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
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
import { PeerTurns } from './peer-turns.js';
import type { QuotaClaim } from './quota-claim.js';
import { spaceOf } from './space.js';
import { StorageModes } from './storage-modes.js';
import { isDirectory, type StoragePath } from './storage-path.js';
import { type QuotaLimits, StorageQuota } from './storage-quota.js';
import { lookAt, type StoredEntry, unlinkIfPresent, versionOf } from './stored-entry.js';
import { countStored, removeStaleUploads } from './stored-tree.js';
import { TemporaryFile } from './temporary-file.js';
import { downloadBuffers, TransferBuffers, uploadBuffers } from './transfer-buffers.js';

export interface StorageOptions {
  /** Made when missing. */
  readonly directory: string;
  /** How much may be stored; unlimited when absent. */
  readonly limits?: QuotaLimits;
  /** Where it is kept over restarts who stored what; in memory only when absent. */
  readonly ownersJournal?: string;
  /** Permission bits that no file and no folder gets; default 0o027, and whatever the process says. */
  readonly umask?: number;
  /** Folders outside `directory` whose files may be read through links below it. */
  readonly linkTargets?: readonly string[];
  /**
   * What a change that has been answered survives: `power-cut` (default) forces content and names to disk first,
   * `process-end` leaves that to the kernel's own time. A file is whole or absent either way.
   */
  readonly durability?: Durability;
  readonly nowMs: () => number;
  /** Told of the bytes of uploads, as they go to the disk. */
  readonly onReceived?: (bytes: number) => void;
}

export type Durability = 'power-cut' | 'process-end';

/** Refuses a change, by throwing, because of the file it would replace or remove; undefined when there is none. */
export type VersionCheck = (current: FileVersion | undefined) => void;

/** Files in folders below one root: read whole versions, replaced in one step, durable once a change has resolved. */
export class FileStorage {
  /** Shared by all downloads of this storage. */
  readonly buffers = new TransferBuffers(downloadBuffers);
  readonly turns = new PeerTurns();
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
    /** The folder everything is stored below, with all links followed. */
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

  /** Makes the root folder, removes what an earlier process left unfinished, and counts what is stored if there is a quota. */
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

  /** A small file as it is on disk now, if it is in memory. */
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
   * Begins to take a file in. Nothing is visible, and no folder made, before it is committed.
   *
   * @param expectedBytes announced by the sender, if known
   * @param check judged now and again in the instant the file takes its place
   * @param pieces `ours`: what is written belongs to the storage alone from then on, and is empty once it is copied
   * @param owner whose share of the storage it uses; nobody's in particular when absent
   * @param peer who sends it, and shares buffers with nobody else
   * @throws Problem `conflict`: a folder has this name; `storage-full`: the quota does not allow it.
   */
  async receive(path: StoragePath, options: ReceiveOptions): Promise<IncomingFile> {
    if (path.segments.length === 0) throw isDirectory('conflict', path.text);
    const { expectedBytes, check, owner, peer, pieces = 'shared' } = options;
    // A small body costs less to take in than a look at the disk; it is judged when it takes its place.
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
      // In the deepest folder that exists: on the same file system as those still to be made below it.
      create: () => TemporaryFile.create(this.folders.find(path).folder, this.modes),
      publish: (temporary) => this.publish(temporary, { path, claim, check }),
      release: () => claim?.release(),
    });
  }

  /**
   * Removes a file, the link of that name, or an empty folder; what does not exist is removed already.
   *
   * @throws Problem `not-found`: the root; `conflict`: a folder with something in it.
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
    // A file in the root needs no folder, and no look at the disk to know it.
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

  /** What an upload would replace, if it may. */
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
    // In one step with the look at it: nobody else of this process can use the folder in between.
    if (present.own.isDirectory()) removeEmptyFolder(entry, path);
    else if (!(await unlinkIfPresent(entry))) return false;
    this.quota?.forget(this.placeOf(entry), spaceOf(present.own));
    return true;
  }

  private async openIfPresent(path: StoragePath): Promise<OpenFile | undefined> {
    try {
      return await OpenFile.open(this.diskPath(path), this.readableLocations);
    } catch (error) {
      // ENXIO: a socket, or a pipe nobody reads.
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

  /** Where something lies below the root, links followed. */
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

/** @throws Problem `conflict`: something is in it. */
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

/** Where a folder lies, links followed, or will lie when somebody makes it. */
async function locationOf(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    if (!isAbsent(error) || dirname(folder) === folder) throw error;
    return join(await locationOf(dirname(folder)), basename(folder));
  }
}
