import { KeyedSerialQueue } from '@sallyport/concurrency';

/** Lets changes of different files run side by side, changes of one file one after another. */
export class ChangeLocks {
  private readonly changes = new KeyedSerialQueue();
  private standstill: Promise<void> | undefined;

  /** Runs a change when every earlier change of the same file is over. */
  async change<Result>(file: string, task: () => Promise<Result>): Promise<Result> {
    while (this.standstill !== undefined) await this.standstill;
    return this.changes.run(file, task);
  }

  /** Runs a task while nothing changes: after the changes under way, before those that come. */
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

// The outcome belongs to whoever asked for the change; those who wait only want to know that it is over.
function ignore(): void {}
