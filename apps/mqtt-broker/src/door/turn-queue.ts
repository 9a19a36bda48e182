/** Work that is done once, at the end of a turn of the event loop. */
export interface EndOfTurn {
  flush(): void;
}

/** Calls everything that was added in a turn of the event loop at its end: one immediate for all, not one for each. */
export class TurnQueue {
  private due: EndOfTurn[] = [];

  add(work: EndOfTurn): void {
    if (this.due.length === 0) setImmediate(() => this.flush());
    this.due.push(work);
  }

  private flush(): void {
    const { due } = this;
    this.due = [];
    for (const work of due) work.flush();
  }
}
