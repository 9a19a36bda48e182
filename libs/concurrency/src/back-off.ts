/** How long to wait between attempts that fail. */
export interface BackOff {
  /** Longest wait after the first failure, in milliseconds. */
  readonly firstMs: number;
  /** Longest wait after any failure, in milliseconds. */
  readonly longestMs: number;
  /** How much longer each wait is than the one before; default 2. */
  readonly factor?: number;
  /** Share of each wait that chance decides, 0 to 1: clients of one server must not all come back together. Default 0. */
  readonly jitter?: number;
}

/**
 * The wait before the next attempt: exponential, capped, less a random share.
 *
 * @param failures attempts that failed in a row, 1 or more
 * @param random 0 to 1: 1 gives the longest wait, 0 leaves out the whole share that chance decides
 * @returns milliseconds, whole
 */
export function backOffMs(
  failures: number,
  { firstMs, longestMs, factor = 2, jitter = 0 }: BackOff,
  random = 1,
): number {
  const fullMs = Math.min(firstMs * factor ** (failures - 1), longestMs);
  return Math.round(fullMs * (1 - jitter * (1 - random)));
}
