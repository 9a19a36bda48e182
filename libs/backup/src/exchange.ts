import { chown, copyFile, lstat, mkdir, readdir, readFile, rename, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { exists, hasCode, namesIn, readTextIfPresent } from '@sallyport/files';
import { stateFolders } from '@sallyport/protocol';
import type { Folders } from './manifest.js';
import { stateNames } from './site-files.js';

/** Moves what is there aside, and what was staged in its place. Each step is a rename within one folder. */
export class Exchange {
  /** Where what was there lies now. */
  readonly aside: string[] = [];

  constructor(
    private readonly folders: Folders,
    private readonly staging: Folders,
    private readonly suffix: string,
  ) {}

  /**
   * The journals of this machine go on, so that nothing is forgotten that happened since the backup. Those of the backup
   * are read too.
   */
  async journals(): Promise<void> {
    const { journal } = stateFolders;
    const [here, staged] = [join(this.folders.state, journal), join(this.staging.state, journal)];
    for (const service of await namesIn(staged))
      for (const name of await namesIn(join(staged, service)))
        await this.addJournal(join(staged, service, name), join(here, service, name));
  }

  private async addJournal(staged: string, target: string): Promise<void> {
    // Usually the one that is here has gone on since.
    if (await startsWith(target, staged)) return;
    const other = join(dirname(target), `${this.suffix}-${basename(target)}`);
    await this.replace(staged, (await exists(target)) ? other : target);
  }

  /** The markers come last: one of them says that a restore is going on. */
  async state(): Promise<void> {
    const { state } = this.folders;
    const others = stateNames.filter((name) => name !== 'site' && name !== stateFolders.journal);
    for (const name of others) await this.replace(join(this.staging.state, name), join(state, name));
    for (const name of await namesIn(join(this.staging.state, 'site')))
      await this.replace(join(this.staging.state, 'site', name), join(state, 'site', name));
  }

  /**
   * Files of this machine that the backup does not have stay where they are. What is a folder of the state or of the data
   * here comes from those parts of the backup, and never from its settings.
   */
  async settings(): Promise<void> {
    const { config, state, data } = this.folders;
    const others = [...stateNames.map((name) => join(state, name)), state, data];
    for (const name of await namesIn(this.staging.config))
      if (!others.includes(join(config, name))) await this.replace(join(this.staging.config, name), join(config, name));
  }

  /**
   * Keys of CAs that are newer than the backup stay: the journal brings these CAs back. Call it before anything is moved.
   * Keys under another passphrase are of another site, and only lie aside.
   */
  async keepNewerKeys(): Promise<void> {
    const passphrase = join('pki', 'key-passphrase');
    const [present, restored] = await Promise.all(
      [this.folders.state, this.staging.state].map((state) => readTextIfPresent(join(state, passphrase))),
    );
    if (present === undefined || present !== restored) return;
    const [here, staged] = [this.folders.data, this.staging.data].map((data) => join(data, 'pki', 'keys'));
    if (here === undefined || staged === undefined) return;
    await mkdir(staged, { recursive: true, mode: 0o700 });
    for (const name of await namesIn(here))
      if (!(await exists(join(staged, name)))) await copyFile(join(here, name), join(staged, name));
  }

  /** CA keys, and what devices have stored if the backup has it. */
  async keys(): Promise<void> {
    for (const name of await namesIn(this.staging.data))
      if (name !== 'store') await this.replace(join(this.staging.data, name), join(this.folders.data, name));
    // Messages that wait in the broker are of another time.
    await this.moveAside(join(this.folders.data, 'mqtt-broker'));
  }

  async store(): Promise<void> {
    await this.replace(join(this.staging.data, 'store'), join(this.folders.data, 'store'));
  }

  private async replace(staged: string, target: string): Promise<void> {
    if (!(await exists(staged))) return;
    await this.moveAside(target);
    await makeFolder(dirname(target));
    await giveTo(staged, await stat(dirname(target)));
    await rename(staged, target);
  }

  private async moveAside(path: string): Promise<void> {
    if (!(await exists(path))) return;
    const aside = `${path}.${this.suffix}`;
    await rename(path, aside);
    this.aside.push(aside);
  }
}

async function makeFolder(path: string): Promise<void> {
  if (await exists(path)) return;
  await makeFolder(dirname(path));
  await mkdir(path, { mode: 0o700 });
  await giveTo(path, await stat(dirname(path)));
}

/** Whether a file begins with everything that another one has. */
async function startsWith(path: string, beginning: string): Promise<boolean> {
  if (!(await exists(path))) return false;
  const [whole, start] = [await readFile(path), await readFile(beginning)];
  return whole.subarray(0, start.length).equals(start);
}

/** When root restores: the files belong to the user of the folder, who runs the services. */
async function giveTo(path: string, { uid, gid }: { readonly uid: number; readonly gid: number }): Promise<void> {
  const own = await lstat(path);
  if (own.isDirectory()) for (const name of await readdir(path)) await giveTo(join(path, name), { uid, gid });
  if (own.uid === uid && own.gid === gid) return;
  await chown(path, uid, gid).catch((error: unknown) => {
    // Only root may give files away. The user of the services keeps what is theirs.
    if (!hasCode(error, 'EPERM')) throw error;
  });
}
