import { randomUUID } from 'node:crypto';
import {
  close,
  closeSync,
  constants,
  fchmodSync,
  fdatasync,
  fstatSync,
  futimesSync,
  openSync,
  rename,
  renameSync,
  write,
  writeSync,
} from 'node:fs';
import { promisify } from 'node:util';
import { type Space, spaceOf } from './space.js';
import type { StorageModes } from './storage-modes.js';
import { temporaryPrefix } from './storage-path.js';
import { unlinkIfPresent } from './stored-entry.js';

const closeAsync = promisify(close);
const fdatasyncAsync = promisify(fdatasync);
const renameAsync = promisify(rename);
// One thread-pool hop costs more than the freeing of so little.
const quicklyFreedBytes = 16 * 1024 * 1024;
const { O_CREAT, O_EXCL, O_WRONLY } = constants;
const temporaryName = /^\.tmp-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** True for the names this module gives, and for no other name that begins alike. */
export function isTemporaryName(name: string): boolean {
  return temporaryName.test(name);
}

/** A file under a name no peer can ask for, until it takes the place of the real one. */
export class TemporaryFile {
  private isMoved = false;

  private constructor(
    private readonly path: string,
    private readonly fd: number,
  ) {}

  static create(folder: string, modes: StorageModes): TemporaryFile {
    const path = `${folder}/${temporaryPrefix}${randomUUID()}`;
    return new TemporaryFile(path, openSync(path, O_CREAT | O_EXCL | O_WRONLY, modes.fileMode));
  }

  /** What it takes of the disk; gives it its mode if the process's own umask has kept that from it. */
  complete(modes: StorageModes): Space {
    const stats = fstatSync(this.fd);
    const mode = modes.correctionFor(stats.mode);
    if (mode !== undefined) fchmodSync(this.fd, mode);
    return spaceOf(stats);
  }

  /** Appends to the page cache at once: for what is small enough not to hold up others. */
  appendSmall(content: Buffer): void {
    for (let rest = content; rest.length > 0; ) rest = rest.subarray(writeSync(this.fd, rest));
  }

  async append(content: Buffer): Promise<void> {
    for (let rest = content; rest.length > 0; ) rest = rest.subarray(await writeAsync(this.fd, rest));
  }

  /** Sets the modification time, in seconds since 1970. */
  stamp(seconds: number): void {
    futimesSync(this.fd, seconds, seconds);
  }

  /** Resolves once the content is on disk. */
  async flush(): Promise<void> {
    await fdatasyncAsync(this.fd);
  }

  /**
   * Takes the place of `path`, of whatever was there, in one step.
   *
   * @param replacedBytes size of what was there: to free a large file takes the disk a while, so others are let on
   */
  async moveTo(path: string, replacedBytes: number): Promise<void> {
    if (replacedBytes <= quicklyFreedBytes) renameSync(this.path, path);
    else await renameAsync(this.path, path);
    this.isMoved = true;
  }

  /** Removes the file, unless it already has its place or somebody else was faster. */
  async remove(): Promise<void> {
    if (!this.isMoved) await unlinkIfPresent(this.path);
  }

  /** Also frees the space, of a file that was removed before it had its place. */
  async close(): Promise<void> {
    if (this.isMoved) closeSync(this.fd);
    else await closeAsync(this.fd);
  }
}

function writeAsync(fd: number, content: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, content, (error, written) => (error === null ? resolve(written) : reject(error)));
  });
}
