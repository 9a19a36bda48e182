import { close, closeSync, constants, fstatSync, open, read, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { type FileVersion, fileVersion } from './file-version.js';
import { liesWithin, locationOfOpen } from './location.js';

const openAsync = promisify(open);
const closeAsync = promisify(close);
// O_NONBLOCK: without it, opening a named pipe would wait for a writer.
const openFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/**
 * A stored file, open for reading. It stays one complete version, also when its name is changed. Close it after use.
 */
export class OpenFile {
  readonly version: FileVersion;

  private constructor(
    private readonly fd: number,
    readonly stats: Stats,
  ) {
    this.version = fileVersion(stats);
  }

  /**
   * @param within one of these folders must contain the file, after all links are resolved
   * @returns undefined when the path is not a regular file, or is outside these folders
   * @throws the error of the system: `ENOENT`, `EACCES` ...
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

  /**
   * Reads from a position in the file into the start of `buffer`. Calls back with the number of bytes, 0 at the end.
   */
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
