import { KeyedSerialQueue } from '@sallyport/concurrency';

/** Changes of different files run in parallel. Changes of the same file run one after another. */
export class ChangeLocks {
  private readonly changes = new KeyedSerialQueue();
  private standstill: Promise<void> | undefined;

  /** Runs a change after all earlier changes of the same file. */
  async change<Result>(file: string, task: () => Promise<Result>): Promise<Result> {
    while (this.standstill !== undefined) await this.standstill;
    return this.changes.run(file, task);
  }

  /** Runs a task while nothing changes: after the running changes, before all later ones. */
  async atStandstill<Result>(task: () => Promise<Result>): Promise<Result> {
    while (this.standstill !== undefined) await this.standstill;
    const running = this.changes.idle().then(task);
    this.standstill = running.then(ignore, ignore);
    try {
      return await running;
    } finally {
      this.standstill = undefined;
    }
  }
}

// Only the caller of a task gets its result or error. Those who wait need to know only that it has ended.
function ignore(): void {}
