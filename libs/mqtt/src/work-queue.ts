/** Runs at most so many tasks at once, and lets only so many wait. */
export class WorkQueue {
  private readonly waiting: (() => Promise<void>)[] = [];
  private readonly idleListeners: (() => void)[] = [];
  private running = 0;

  constructor(private readonly limits: { readonly parallel: number; readonly waiting: number }) {}

  /**
   * Takes a task, which must not reject.
   *
   * @returns false when the queue is full; the task will not run
   */
  offer(task: () => Promise<void>): boolean {
    if (this.running < this.limits.parallel) {
      void this.run(task);
      return true;
    }
    if (this.waiting.length >= this.limits.waiting) return false;
    this.waiting.push(task);
    return true;
  }

  /** Resolves when nothing runs and nothing waits. */
  idle(): Promise<void> {
    if (this.running === 0) return Promise.resolve();
    return new Promise((resolve) => this.idleListeners.push(resolve));
  }

  private async run(first: () => Promise<void>): Promise<void> {
    this.running++;
    for (let task: (() => Promise<void>) | undefined = first; task !== undefined; task = this.waiting.shift())
      await task();
    this.running--;
    if (this.running > 0) return;
    for (const listener of this.idleListeners.splice(0)) listener();
  }
}
