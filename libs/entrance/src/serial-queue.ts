/** Does one piece of work after the other, in the order they were asked for; a failure stops none of the others. */
export class SerialQueue {
  private last: Promise<unknown> = Promise.resolve();

  /** Resolves, or rejects, as the work does when its turn has come. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    // Who asked for it hears of its failure; who comes next must not.
    this.last = done.catch(() => undefined);
    return done;
  }
}
