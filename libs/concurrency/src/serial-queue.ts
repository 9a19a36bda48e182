/**
 * Runs one piece of work after the other, in the order they were asked for. A failure stops none of the others.
 *
 * Work that asks the same queue for more work, and waits for it, waits for ever.
 */
export class SerialQueue {
  private last: Promise<void> | undefined;

  /** Nothing runs and nothing waits. */
  get isIdle(): boolean {
    return this.last === undefined;
  }

  /**
   * Runs the work when everything asked for before it has ended: at once when that is so already.
   *
   * @returns what the work returns, or rejects as it does
   */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    const outcome = this.last === undefined ? start(work) : this.last.then(work);
    const end = (): void => {
      if (this.last === ended) this.last = undefined;
    };
    // Only the caller learns of a failure. The next in the queue must not.
    const ended: Promise<void> = outcome.then(end, end);
    this.last = ended;
    return outcome;
  }

  /** Resolves when everything asked for so far has ended; never rejects. */
  async idle(): Promise<void> {
    await this.last;
  }
}

/** Runs work of the same key one after the other, and work of different keys side by side. Only keys in use take memory. */
export class KeyedSerialQueue<Key = string> {
  private readonly queues = new Map<Key, SerialQueue>();

  /** Keys with work that runs or waits. */
  get size(): number {
    return this.queues.size;
  }

  /**
   * Runs the work when everything asked for before it under the same key has ended.
   *
   * @returns what the work returns, or rejects as it does
   */
  run<Result>(key: Key, work: () => Promise<Result>): Promise<Result> {
    const queue = this.queues.get(key) ?? this.open(key);
    const outcome = queue.run(work);
    void queue.idle().then(() => {
      // The key may have a new queue already.
      if (queue.isIdle && this.queues.get(key) === queue) this.queues.delete(key);
    });
    return outcome;
  }

  /** Resolves when everything asked for so far, under any key, has ended; never rejects. */
  async idle(): Promise<void> {
    await Promise.all([...this.queues.values()].map((queue) => queue.idle()));
  }

  private open(key: Key): SerialQueue {
    const queue = new SerialQueue();
    this.queues.set(key, queue);
    return queue;
  }
}

// A function that throws before its first await rejects, as one that throws later does.
async function start<Result>(work: () => Promise<Result>): Promise<Result> {
  return work();
}
