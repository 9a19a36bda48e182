import type { Stats } from 'node:fs';

/** What stored things take of the disk. */
export interface Space {
  readonly bytes: number;
  /** Files and folders; each takes an inode, however little it holds. */
  readonly entries: number;
}

// What the file systems of gateways give out at least, and so what the smallest file or folder counts.
const blockBytes = 4096;

export const noSpace: Space = { bytes: 0, entries: 0 };

/** A folder that is about to be made. */
export const newFolder: Space = { bytes: blockBytes, entries: 1 };

/** A file of so many bytes that is about to be written: whole blocks, at least one. */
export function spaceForFile(sizeBytes: number): Space {
  return { bytes: Math.max(1, Math.ceil(sizeBytes / blockBytes)) * blockBytes, entries: 1 };
}

/**
 * A file or folder that exists: what the file system has given it, and never less than its size, as some file systems
 * only know later what they gave. Links take none of their own; no peer can make one.
 */
export function spaceOf(stats: Stats | undefined): Space {
  if (stats === undefined || !(stats.isFile() || stats.isDirectory())) return noSpace;
  const least = stats.isFile() ? spaceForFile(stats.size) : newFolder;
  // stat(2): st_blocks counts units of 512 bytes.
  return { bytes: Math.max(least.bytes, stats.blocks * 512), entries: 1 };
}

/** Adds up space: altogether, and for each owner. */
export class SpaceTally {
  private sum: Space = noSpace;
  private readonly byOwner = new Map<string, Space>();

  get total(): Space {
    return this.sum;
  }

  of(owner: string): Space {
    return this.byOwner.get(owner) ?? noSpace;
  }

  /** @param owner nobody in particular when absent */
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

/** Never below nothing: what local processes added is taken off without ever having been counted. */
function difference(one: Space, other: Space): Space {
  return { bytes: Math.max(0, one.bytes - other.bytes), entries: Math.max(0, one.entries - other.entries) };
}
