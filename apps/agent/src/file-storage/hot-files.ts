import { type Stats, statSync } from 'node:fs';
import type { FileVersion } from './file-version.js';

const capacityBytes = 8 * 1024 * 1024;
// What an entry takes beside the content, roughly; empty files count too.
const entryBytes = 1024;
// A file changed twice within one tick of the file system's clock keeps its time stamps, so young files are read anew.
const youngestCachedMs = 2_000;

/** A small file in memory. */
export interface HotFile {
  readonly version: FileVersion;
  /** One character a byte (latin1): Node sends a string together with the head of a response, in one call. */
  readonly content: string;
}

interface CachedFile extends HotFile {
  readonly stats: Stats;
}

/**
 * The small files asked for last, each compared with the disk at every use: what local processes change or delete is seen
 * at once. One `stat` costs a tenth of opening and reading.
 */
export class HotFiles {
  // In order of use: a Map keeps the order of insertion.
  private readonly byPath = new Map<string, CachedFile>();
  private bytes = 0;

  constructor(private readonly nowMs: () => number) {}

  get(path: string): HotFile | undefined {
    const cached = this.byPath.get(path);
    if (cached === undefined) return undefined;
    const stats = statSync(path, { throwIfNoEntry: false });
    this.forget(path, cached);
    if (stats === undefined || !isSameState(stats, cached.stats)) return undefined;
    this.keep(path, cached);
    return cached;
  }

  /** Keeps what has been read under the path whose open file had these `stats`. */
  remember(path: string, cached: CachedFile): void {
    // Programs that copy files set back the time of modification, but not the time of change.
    const { mtimeMs, ctimeMs } = cached.stats;
    if (this.nowMs() - Math.max(mtimeMs, ctimeMs) < youngestCachedMs) return;
    const before = this.byPath.get(path);
    if (before !== undefined) this.forget(path, before);
    this.keep(path, cached);
    for (const [oldest, file] of this.byPath) {
      if (this.bytes <= capacityBytes) return;
      this.forget(oldest, file);
    }
  }

  private keep(path: string, file: CachedFile): void {
    this.byPath.set(path, file);
    this.bytes += file.content.length + entryBytes;
  }

  private forget(path: string, file: CachedFile): void {
    this.byPath.delete(path);
    this.bytes -= file.content.length + entryBytes;
  }
}

function isSameState(one: Stats, other: Stats): boolean {
  return (
    one.ino === other.ino &&
    one.size === other.size &&
    one.mtimeMs === other.mtimeMs &&
    one.ctimeMs === other.ctimeMs &&
    one.dev === other.dev
  );
}
