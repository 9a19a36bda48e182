import type { Stats } from 'node:fs';

/** Disk space used by files and folders. */
export interface Space {
  readonly bytes: number;
  /** Number of files and folders. Each takes an inode, also when it is empty. */
  readonly entries: number;
}

// The smallest block of the file systems on gateways. The smallest file or folder counts as one block.
const blockBytes = 4096;

export const noSpace: Space = { bytes: 0, entries: 0 };

/** The space of a folder that will be made. */
export const newFolder: Space = { bytes: blockBytes, entries: 1 };

/** The space of a file of this size that will be written: whole blocks, at least one. */
export function spaceForFile(sizeBytes: number): Space {
  return { bytes: Math.max(1, Math.ceil(sizeBytes / blockBytes)) * blockBytes, entries: 1 };
}

/**
 * The space of a file or folder that exists: what the file system reports, but at least its size, because some file
 * systems report their blocks later. Links count as nothing, because no peer can make one.
 */
export function spaceOf(stats: Stats | undefined): Space {
  if (stats === undefined || !(stats.isFile() || stats.isDirectory())) return noSpace;
  const least = stats.isFile() ? spaceForFile(stats.size) : newFolder;
  // stat(2): st_blocks counts units of 512 bytes.
  return { bytes: Math.max(least.bytes, stats.blocks * 512), entries: 1 };
}

/** Sums of space: the total, and one for each owner. */
export class SpaceCounter {
  private sum: Space = noSpace;
  private readonly byOwner = new Map<string, Space>();

  get total(): Space {
    return this.sum;
  }

  of(owner: string): Space {
    return this.byOwner.get(owner) ?? noSpace;
  }

  /** @param owner without it, only the total changes */
  add(space: Space, owner: string | undefined): void {
    this.sum = sumOf(this.sum, space);
    if (owner !== undefined) this.byOwner.set(owner, sumOf(this.of(owner), space));
  }

  take(space: Space, owner: string | undefined): void {
    this.sum = difference(this.sum, space);
    if (owner === undefined) return;
    const left = difference(this.of(owner), space);
    if (left.entries === 0 && left.bytes === 0) this.byOwner.delete(owner);
    else this.byOwner.set(owner, left);
  }
}

function sumOf(one: Space, other: Space): Space {
  return { bytes: one.bytes + other.bytes, entries: one.entries + other.entries };
}

/** Never below zero. Files that local processes added are subtracted, although they were never counted. */
function difference(one: Space, other: Space): Space {
  return { bytes: Math.max(0, one.bytes - other.bytes), entries: Math.max(0, one.entries - other.entries) };
}
