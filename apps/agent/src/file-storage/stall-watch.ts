/** The reader of one download. */
export interface Watched {
  /** Grows whenever the reader takes something. */
  readonly progress: number;
  /** Called when the reader has taken nothing from one look to the next, and at each later look. */
  onStall(): void;
}

const lookEveryMs = 250;

/** Finds readers that take nothing. It has one timer for all of them, because a timer for each piece costs too much. */
export class StallWatch {
  private readonly progressBefore = new Map<Watched, number>();
  private timer: NodeJS.Timeout | undefined;

  add(reader: Watched): void {
    this.progressBefore.set(reader, -1);
    this.timer ??= setInterval(() => this.look(), lookEveryMs).unref();
  }

  delete(reader: Watched): void {
    this.progressBefore.delete(reader);
  }

  private look(): void {
    for (const [reader, before] of this.progressBefore) {
      if (reader.progress === before) reader.onStall();
      this.progressBefore.set(reader, reader.progress);
    }
    if (this.progressBefore.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }
}
