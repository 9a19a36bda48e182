import { pause } from './pause.js';

export interface PeriodicWorkOptions {
  readonly everyMs: number;
  readonly work: (signal: AbortSignal) => Promise<void>;
  /** What went wrong in one round. The next one tries again. */
  readonly onError: (error: unknown) => void;
}

/** Does some work from the start of a service to its shutdown, one round after the other. */
export class PeriodicWork {
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: PeriodicWorkOptions) {}

  /** The first round begins now. Nobody waits for it. */
  start(): void {
    this.running = this.run();
  }

  /** Waits for the round under way, which is told to end. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    const { everyMs, work, onError } = this.options;
    while (!signal.aborted) {
      await work(signal).catch(onError);
      await pause(everyMs, { signal, ref: false });
    }
  }
}
