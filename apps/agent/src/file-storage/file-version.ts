import type { Stats } from 'node:fs';

/** One state of a stored file, as HTTP speaks of it. */
export interface FileVersion {
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  /** Strong (RFC 9110 §8.8.1): no two uploads ever share one, see `UploadClock`. */
  readonly entityTag: string;
}

/** Names the state of a file by inode, size and time of change in microseconds. */
export function fileVersion({ ino, size, mtimeMs }: Stats): FileVersion {
  const microseconds = Math.floor(mtimeMs * 1000);
  const entityTag = `"${ino.toString(36)}-${size.toString(36)}-${microseconds.toString(36)}"`;
  return { sizeBytes: size, modifiedAtMs: mtimeMs, entityTag };
}

// A double holds the seconds since 1970 to a quarter of a microsecond, and the kernel's answer is cut off to whole ones.
const stepMicroseconds = 2;
// More than uploads in a row ever get ahead of the clock.
const setBackMicroseconds = 1_000_000;

/**
 * Gives every upload a modification time of its own. The kernel stamps files with the time of its last tick (up to 10 ms
 * ago) and reuses inode numbers, so two uploads in a row could otherwise look the same to `fileVersion`.
 */
export class UploadClock {
  private lastMicroseconds = 0;

  constructor(private readonly nowMs: () => number) {}

  /**
   * Seconds since 1970, never the same twice after it has been through a file's time stamp, unless the clock is set back:
   * then uploads are dated by it again rather than in the future.
   */
  next(): number {
    const now = Math.floor(this.nowMs() * 1000);
    const isSetBack = now < this.lastMicroseconds - setBackMicroseconds;
    this.lastMicroseconds = isSetBack ? now : Math.max(now, this.lastMicroseconds + stepMicroseconds);
    return this.lastMicroseconds / 1e6;
  }
}
