import { type Stats, statSync } from 'node:fs';
import type { FileVersion } from './file-version.js';

const capacityBytes = 8 * 1024 * 1024;
// Approximate memory of an entry beside its content. Empty files count too.
const entryBytes = 1024;
// Two changes within one tick of the file system's clock leave the same time stamps. So young files are not kept.
const youngestCachedMs = 2_000;

/** A small file in memory. */
export interface HotFile {
  readonly version: FileVersion;
  /** One character for each byte (latin1). Node sends a string and the head of a response in one system call. */
  readonly content: string;
}

interface CachedFile extends HotFile {
  readonly stats: Stats;
}

/**
 * The small files that were requested last. Each is compared with the disk at every use, so changes by local processes
 * are seen at once. One `stat` costs a tenth of opening and reading.
 */
export class HotFiles {
  // The least recently used file is first, because a Map keeps the order of insertion.
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

  /** Keeps the content of a path. `stats` are those of the open file it was read from. */
  remember(path: string, cached: CachedFile): void {
    // Programs that copy files can set the time of modification to the past, but not the time of change.
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
