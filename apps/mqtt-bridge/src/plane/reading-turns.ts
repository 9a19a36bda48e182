/**
 * Decides which side of a bridge is not read. A side that is not read also keeps its acknowledgements, for which the
 * other direction may wait. So it is one side at a time: with both, each would wait for the other for ever.
 */
export class ReadingTurns {
  private readonly waiting = new Set<Source>();
  private paused: Source | undefined;

  /** A source that brings more than its destination takes. */
  pause(source: Source): void {
    this.waiting.add(source);
    this.choose();
  }

  resume(source: Source): void {
    if (!this.waiting.delete(source)) return;
    if (this.paused === source) {
      this.paused = undefined;
      source.resumeReading();
    }
    this.choose();
  }

  private choose(): void {
    if (this.paused !== undefined) return;
    const [next] = this.waiting;
    this.paused = next;
    next?.pauseReading();
  }
}

interface Source {
  pauseReading(): void;
  resumeReading(): void;
}
