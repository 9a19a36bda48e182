// Others must not be slowed down by more than 50 ms by a client that has stopped reading.
const patienceMs = 40;

/**
 * Publishers that are not read while a client they publish to has much to read. So a client that is only slower than its
 * publishers loses nothing. Nobody waits for a client that makes no progress.
 */
export class Crowd {
  private waiting: (() => void)[] = [];
  private hasProgress = false;
  private stalled = false;
  private timer: NodeJS.Timeout | undefined;

  /** True when the client made no progress while publishers waited; until it makes some. */
  get isStalled(): boolean {
    return this.stalled;
  }

  /** @param release called once, when the publisher may go on */
  wait(release: () => void): void {
    this.waiting.push(release);
    this.timer ??= setTimeout(() => this.check(), patienceMs).unref();
  }

  /** The client has read, or acknowledged. */
  noteProgress(): void {
    this.hasProgress = true;
    this.stalled = false;
  }

  /** Lets all publishers go on. */
  release(): void {
    if (this.waiting.length === 0) return;
    clearTimeout(this.timer);
    this.timer = undefined;
    const { waiting } = this;
    this.waiting = [];
    for (const release of waiting) release();
  }

  private check(): void {
    this.timer = undefined;
    if (this.hasProgress) {
      this.hasProgress = false;
      this.timer = setTimeout(() => this.check(), patienceMs).unref();
      return;
    }
    this.stalled = true;
    this.release();
  }
}
