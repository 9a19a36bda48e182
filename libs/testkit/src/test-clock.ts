/** A clock that stands still until the test moves it. */
export class TestClock {
  #nowMs: number;

  /** @param start the time it shows first; now when absent */
  constructor(start = new Date()) {
    this.#nowMs = start.getTime();
  }

  now(): Date {
    return new Date(this.#nowMs);
  }

  /** The same in milliseconds since the epoch, as a function that can be passed on. */
  readonly nowMs = (): number => this.#nowMs;

  set(moment: Date): void {
    this.#nowMs = moment.getTime();
  }

  /** @param seconds below zero the clock is set back */
  advance(seconds: number): void {
    this.#nowMs += seconds * 1000;
  }
}
