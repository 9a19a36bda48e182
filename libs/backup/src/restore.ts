import { copyFile, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Settings } from '@sallyport/config';
import { codeOrMessage, errorCode, isDiskFull, makeFolder, removeIfPresent, writeStreamAtomic } from '@sallyport/files';
import { Problem, statePlaces } from '@sallyport/protocol';
import { dumpSqliteStore, fillStore, moveRedisStoreAside, openRedisStore, openSqliteStore } from '@sallyport/store';
import type { Key } from './archive-reader.js';
import { foldersOf, serverOf, storeFileOf } from './backup.js';
import { type ArchivedFile, type ArchiveVisitor, visitArchive } from './checked-archive.js';
import { Exchange } from './exchange.js';
import { type FolderName, type Folders, folderName, type Manifest } from './manifest.js';
import { relocated } from './relocated-settings.js';

export interface RestoreOptions {
  /** The backup. */
  readonly path: string;
  readonly key: Key;
  /** Of this machine, as they are before the restore. They say where things go. */
  readonly settings: Settings;
  /** The settings that hold when the restored files are in a folder: `store.url` may be another one. */
  readonly settingsIn: (configDir: string) => Promise<Settings>;
  /** The settings of this machine stay, instead of those in the backup. */
  readonly keepSettings: boolean;
  /** CRLs whose revocations the signer takes in when it starts. */
  readonly revocationLists: readonly string[];
  readonly now: Date;
}

export interface RestoreReport {
  readonly manifest: Manifest;
  readonly files: number;
  readonly storeRecords: number;
  /** Where what was there before lies now. */
  readonly aside: readonly string[];
}

/** Reads a whole backup, and changes nothing. @throws as `visitArchive` */
export function checkBackup(path: string, key: Key): Promise<Manifest> {
  return visitArchive(path, key, {
    file: async ({ content }) => {
      for await (const _piece of content);
    },
    storePiece: async (records) => {
      let count = 0;
      for await (const _record of records) count += 1;
      return count;
    },
  });
}

/**
 * Brings a site back. The services must not run.
 *
 * First the whole backup is read, and only then anything is changed. What was there is moved aside, never deleted. A
 * journal that is there stays: what was refused since the backup stays refused. If it is killed, the services do not
 * start, and the command can be run again.
 *
 * @throws Problem: as `visitArchive`; `unavailable`, `storage-full` of the store
 */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreReport> {
  await checkBackup(options.path, options.key);
  const restore = new Restore(options);
  try {
    return await restore.run();
  } catch (error) {
    throw problemOf(error);
  } finally {
    // Keys and secrets lie open in it, and it takes room on a disk that may be full.
    await restore.clearStaging();
  }
}

class Restore {
  private readonly folders: Folders;
  private readonly staging: Folders;
  private readonly suffix: string;
  private readonly counts = { files: 0, storeRecords: 0 };

  constructor(private readonly options: RestoreOptions) {
    this.folders = foldersOf(options.settings);
    this.suffix = `before-${options.now.toISOString().replace(/[-:]|\.\d+/g, '')}`;
    const stage = (folder: FolderName) => join(this.folders[folder], `.restore-${folder}`);
    this.staging = { config: stage('config'), state: stage('state'), data: stage('data') };
  }

  async run(): Promise<RestoreReport> {
    const { path, key, settings } = this.options;
    await this.clearStaging();
    for (const folder of Object.values(this.staging)) await makeFolder(folder, 0o700);
    const stagedFile = storeFileOf(this.staging);
    await makeFolder(dirname(stagedFile), 0o700);
    const staged = await openSqliteStore({ file: stagedFile });
    const manifest = await visitArchive(
      path,
      key,
      this.visitor((records) => fillStore(staged, records)),
    ).finally(() => staged.close());
    await this.relocate(manifest);
    await this.addRevocationLists();
    const { restoring } = statePlaces(settings.stateDirectory);
    await makeFolder(dirname(restoring), 0o700);
    await writeFile(restoring, `${this.options.now.toISOString()}\n`);
    const aside = await this.exchange(stagedFile);
    await removeIfPresent(restoring);
    return { manifest, ...this.counts, aside };
  }

  private visitor(store: ArchiveVisitor['storePiece']): ArchiveVisitor {
    return {
      file: (file) => this.stage(file),
      storePiece: async (records) => {
        const count = await store(records);
        this.counts.storeRecords += count;
        return count;
      },
    };
  }

  private async stage({ folder, path, mode, content }: ArchivedFile): Promise<void> {
    const target = join(this.staging[folder], path);
    await makeFolder(dirname(target), 0o700);
    // No file of a site runs with the rights of its owner.
    await writeStreamAtomic(target, content, mode & 0o777);
    this.counts.files += 1;
  }

  /** The settings may name folders of the machine that was backed up. */
  private async relocate(manifest: Manifest): Promise<void> {
    await relocated(this.staging.config, manifest.folders, this.folders);
  }

  private async addRevocationLists(): Promise<void> {
    const { revocationLists: folder } = statePlaces(this.staging.state);
    for (const [index, path] of this.options.revocationLists.entries()) {
      await makeFolder(folder, 0o700);
      await copyFile(path, join(folder, `${index + 1}-${basename(path)}`));
    }
  }

  private async exchange(stagedFile: string): Promise<string[]> {
    const { keepSettings, settings, settingsIn } = this.options;
    const inForce = keepSettings ? settings : await settingsIn(this.staging.config);
    const server = serverOf(inForce);
    const exchange = new Exchange(this.folders, this.staging, this.suffix);
    await exchange.keepNewerKeys();
    await exchange.journals();
    await exchange.state();
    if (!keepSettings) await exchange.settings();
    await exchange.keys();
    if (server === undefined) await exchange.store();
    else {
      await moveRedisStoreAside(server, this.suffix);
      const store = await openRedisStore(server);
      await fillStore(store, dumpSqliteStore(stagedFile)).finally(() => store.close());
    }
    return exchange.aside;
  }

  async clearStaging(): Promise<void> {
    for (const folder of folderName.options) await rm(this.staging[folder], { recursive: true, force: true });
  }
}

function problemOf(error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || error instanceof Problem) return error;
  if (isDiskFull(error))
    return new Problem('storage-full', 'There is no room to restore the backup. Free disk space, then try again.', {
      cause: error,
    });
  return new Problem('invalid-request', `The backup cannot be restored here: ${codeOrMessage(error)}.`, {
    cause: error,
  });
}
