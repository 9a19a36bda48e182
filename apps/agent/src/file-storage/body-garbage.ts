import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const collectEveryBytes = 4 * 1024 * 1024;

/**
 * Frees what Node allocated for the pieces of request bodies, once in 4 MiB.
 *
 * Each piece is a buffer outside V8's heap behind a tiny object inside it. The objects alone hardly ever fill the young
 * generation, so nothing is freed until V8 notices the memory outside, and then it collects the whole heap, services and
 * all. Collecting the young generation in time made a 1 MiB upload cost half the CPU (1.0 instead of 2.3 ms) and 30 MB
 * less memory. Where V8 does not offer it, V8's own schedule holds.
 */
export class BodyGarbage {
  private bytes = 0;
  private readonly collect = youngCollection();

  /** Counts a piece that has been copied away. */
  add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes < collectEveryBytes) return;
    this.bytes = 0;
    this.collect();
  }
}

/** V8 hands its collector only to a context made while this flag is set; no other code sees it. */
function youngCollection(): () => void {
  setFlagsFromString('--expose-gc');
  const collector: unknown = runInNewContext('globalThis.gc');
  setFlagsFromString('--no-expose-gc');
  return typeof collector === 'function' ? () => collector({ type: 'minor' }) : () => undefined;
}
