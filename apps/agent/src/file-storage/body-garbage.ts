import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { freeMemory } from '@sallyport/http';

const collectEveryBytes = 4 * 1024 * 1024;

/**
 * Frees the memory that Node allocated for the pieces of request bodies, as soon as they have been copied.
 *
 * Each piece is a buffer outside the heap of V8, with a tiny object inside the heap. These objects alone do not fill
 * the young generation, so V8 frees nothing until it notices the memory outside. Then it collects the whole heap of all
 * services. If only we use a piece, we free its memory at once. The next piece gets the same memory, which is still in
 * the cache of the processor: copying 128 MiB took 8 ms of CPU instead of 18. If other code still reads a part of the
 * piece, we collect the young generation after every 4 MiB.
 */
export class BodyGarbage {
  private bytes = 0;
  private collect: (() => void) | undefined;

  /** Frees a piece that no code reads any more. It is empty afterwards. */
  free(piece: Buffer): void {
    if (!freeMemory(piece)) this.add(piece.length);
  }

  /** Counts a part of a piece that has been copied. */
  add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < collectEveryBytes) return;
    this.bytes = 0;
    this.collect ??= youngCollection();
    this.collect();
  }
}

/** V8 gives its collector only to a context that is made while this flag is set. No other code can call it. */
function youngCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const collector: unknown = runInNewContext('globalThis.gc');
  setFlagsFromString('--no-expose-gc');
  return typeof collector === 'function' ? () => collector({ type: 'minor' }) : () => undefined;
}
