import type { Stats } from 'node:fs';

/** One version of a stored file, with its validators for HTTP. */
export interface FileVersion {
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
  /** Strong (RFC 9110 §8.8.1): two uploads never have the same one, see `UploadClock`. */
  readonly entityTag: string;
}

/** Identifies a version of a file by inode, size and time of change in microseconds. */
export function fileVersion({ ino, size, mtimeMs }: Stats): FileVersion {
  const microseconds = Math.floor(mtimeMs * 1000);
  const entityTag = `"${ino.toString(36)}-${size.toString(36)}-${microseconds.toString(36)}"`;
  return { sizeBytes: size, modifiedAtMs: mtimeMs, entityTag };
}

// A double stores the seconds since 1970 with a precision of 0.25 µs, and the kernel rounds down to whole microseconds.
const stepMicroseconds = 2;
// Uploads in a row are never ahead of the clock by more than this.
const setBackMicroseconds = 1_000_000;

/**
 * Gives every upload a different modification time. The kernel sets the time of its last tick (up to 10 ms ago) and
 * reuses inode numbers. So without this, two uploads in a row could have the same `fileVersion`.
 */
export class UploadClock {
  private lastMicroseconds = 0;

  constructor(private readonly nowMs: () => number) {}

  /**
   * Seconds since 1970. Two results differ even after they were stored as the time of a file. If the clock is set back,
   * the results follow the clock again, because a file must not have a time in the future.
   */
  next(): number {
    const now = Math.floor(this.nowMs() * 1000);
    const isSetBack = now < this.lastMicroseconds - setBackMicroseconds;
    this.lastMicroseconds = isSetBack ? now : Math.max(now, this.lastMicroseconds + stepMicroseconds);
    return this.lastMicroseconds / 1e6;
  }
}
