/**
 * A deadline that is moved at every message. Moving it costs no timer: the timer that runs looks, when it is due, whether
 * the deadline has been moved meanwhile. It keeps no process alive.
 */
export class LazyDeadline {
  private timer: NodeJS.Timeout | undefined;
  private timerDueMs = 0;
  private dueMs = Number.POSITIVE_INFINITY;

  constructor(private readonly onDue: () => void) {}

  /** Sets or moves the deadline, milliseconds from now. */
  start(ms: number): void {
    this.dueMs = performance.now() + ms;
    if (this.timer === undefined || this.timerDueMs > this.dueMs) this.arm(ms);
  }

  stop(): void {
    this.dueMs = Number.POSITIVE_INFINITY;
  }

  /** Stops the deadline for good. */
  close(): void {
    this.stop();
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private arm(ms: number): void {
    clearTimeout(this.timer);
    this.timerDueMs = performance.now() + ms;
    this.timer = setTimeout(() => this.look(), ms);
    this.timer.unref();
  }

  private look(): void {
    this.timer = undefined;
    if (this.dueMs === Number.POSITIVE_INFINITY) return;
    const leftMs = this.dueMs - performance.now();
    // A timer may be due some time before its millisecond is over.
    if (leftMs > 1) {
      this.arm(leftMs);
      return;
    }
    this.stop();
    this.onDue();
  }
}
