/** A clock that stands still until the test moves it. */
export class TestClock {
  private timeMs: number;

  /** @param start the time it shows first; now when absent */
  constructor(start = new Date()) {
    this.timeMs = start.getTime();
  }

  now(): Date {
    return new Date(this.timeMs);
  }

  /** The same in milliseconds since the epoch, as a function that can be passed on. */
  readonly nowMs = (): number => this.timeMs;

  set(moment: Date): void {
    this.timeMs = moment.getTime();
  }

  /** @param seconds below zero the clock is set back */
  advance(seconds: number): void {
    this.timeMs += seconds * 1000;
  }
}
