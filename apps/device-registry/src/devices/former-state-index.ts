import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { pause } from '@sallyport/concurrency';
import { Log } from '@sallyport/runtime';
import { Store } from '@sallyport/store';

const entriesAtOnce = 200;
// So that the removal leaves most of the store's time to others, and other replicas can follow.
const pauseMs = 100;

/** Removes what earlier releases wrote to find devices by state: `state/<state>/<name>`. Nothing reads it any more. */
@Injectable()
export class FormerStateIndex implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: Store,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    // A failure does no harm: the next start goes on.
    this.running = this.remove().catch((error: unknown) => this.log.warn({ error }, 'former index not removed yet'));
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async remove(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      const { entries } = await this.store.list('state/', { limit: entriesAtOnce });
      if (entries.length === 0) return;
      await this.store.transaction(
        [],
        entries.map(({ key }) => ({ delete: key })),
      );
      await pause(pauseMs, { signal });
    }
  }
}
