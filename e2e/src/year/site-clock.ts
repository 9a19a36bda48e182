import { renameSync, writeFileSync } from 'node:fs';

const library = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketimeMT.so.1`;
// A URL, because a path may have a space, which would end the option.
const pacedTimers = new URL('./paced-timers.mjs', import.meta.url).href;

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;

/** A clock that a test moves, and that all programs share which get its environment (faketime, with a file). */
export class SiteClock {
  private aheadMs = 0;

  /** @param path of the file that the programs read at each look at the clock */
  constructor(private readonly path: string) {
    this.write();
  }

  /** For programs in any language. */
  get env(): NodeJS.ProcessEnv {
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.path,
      FAKETIME_NO_CACHE: '1',
      // Deadlines of the network go on as they are.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
  }

  /** For services: their long timers follow the clock too. */
  get serviceEnv(): NodeJS.ProcessEnv {
    return { ...this.env, NODE_OPTIONS: `--import=${pacedTimers}` };
  }

  get now(): Date {
    return new Date(Date.now() + this.aheadMs);
  }

  /** Sets it on, or back when negative. */
  move(milliseconds: number): void {
    this.aheadMs += milliseconds;
    this.write();
  }

  private write(): void {
    const seconds = Math.round(this.aheadMs / 1000);
    writeFileSync(`${this.path}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`);
    renameSync(`${this.path}.new`, this.path);
  }
}
