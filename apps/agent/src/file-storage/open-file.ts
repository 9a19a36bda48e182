import { close, closeSync, constants, fstatSync, open, read, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { type FileVersion, fileVersion } from './file-version.js';
import { liesWithin, locationOfOpen } from './location.js';

const openAsync = promisify(open);
const closeAsync = promisify(close);
// O_NONBLOCK: opening a named pipe must not wait for its other end.
const openFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/** A stored file open for reading: one version, whole, whatever happens to its name meanwhile. Close it. */
export class OpenFile {
  readonly version: FileVersion;

  private constructor(
    private readonly fd: number,
    readonly stats: Stats,
  ) {
    this.version = fileVersion(stats);
  }

  /**
   * @param within folders of which one must hold the file once all links are followed
   * @returns undefined when the path leads to something else than a regular file, or outside those folders
   * @throws the system's error: `ENOENT`, `EACCES` ...
   */
  static async open(path: string, within: readonly string[]): Promise<OpenFile | undefined> {
    const fd = await openAsync(path, openFlags);
    let file: OpenFile | undefined;
    try {
      const stats = fstatSync(fd);
      const location = stats.isFile() ? locationOfOpen(fd, path) : '';
      if (within.some((folder) => liesWithin(location, folder))) file = new OpenFile(fd, stats);
      return file;
    } finally {
      if (file === undefined) closeSync(fd);
    }
  }

  /** Reads from a place in the file into the start of `buffer`; calls back with the bytes read, 0 at the end. */
  read(
    buffer: Buffer,
    { length, position }: { length: number; position: number },
    callback: (error: Error | null, bytes: number) => void,
  ): void {
    read(this.fd, buffer, 0, length, position, callback);
  }

  async close(): Promise<void> {
    await closeAsync(this.fd);
  }
}
