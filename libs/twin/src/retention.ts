/** How much history is kept of each device. The present values of a device stay, however old they are. */
export interface RetentionBounds {
  /** The newest writes. A write of several values counts once. */
  readonly writes: number;
  /** Bytes of JSON of these writes. */
  readonly bytes: number;
  readonly days: number;
}

export const defaultRetention: RetentionBounds = { writes: 10_000, bytes: 16 * 1024 * 1024, days: 30 };
