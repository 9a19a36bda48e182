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
// For small files, a call through the thread pool costs more than freeing their space.
const quicklyFreedBytes = 16 * 1024 * 1024;
const { O_CREAT, O_EXCL, O_WRONLY } = constants;
const temporaryName = /^\.tmp-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** True for the names that this module makes, but not for other names with the same beginning. */
export function isTemporaryName(name: string): boolean {
  return temporaryName.test(name);
}

/** A file with a name that no peer can request. It later takes the place of the real file. */
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

  /** Sets the right mode, if the umask of the process was different. Returns the space on the disk. */
  complete(modes: StorageModes): Space {
    const stats = fstatSync(this.fd);
    const mode = modes.correctionFor(stats.mode);
    if (mode !== undefined) fchmodSync(this.fd, mode);
    return spaceOf(stats);
  }

  /** Writes synchronously to the page cache. Only for small content, because other work waits. */
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

  /** Resolves when the content is on disk. */
  async flush(): Promise<void> {
    await fdatasyncAsync(this.fd);
  }

  /**
   * Takes the place of `path` in one step, and replaces an existing file.
   *
   * @param replacedBytes size of the replaced file. Freeing a large file takes long, so it is done in the thread pool.
   */
  async moveTo(path: string, replacedBytes: number): Promise<void> {
    if (replacedBytes <= quicklyFreedBytes) renameSync(this.path, path);
    else await renameAsync(this.path, path);
    this.isMoved = true;
  }

  /** Removes the file, unless it is already in its place or another process has removed it. */
  async remove(): Promise<void> {
    if (!this.isMoved) await unlinkIfPresent(this.path);
  }

  /** Closes the file. If it was removed before it took its place, this also frees its space. */
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
