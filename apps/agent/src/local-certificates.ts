import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { pause } from '@sallyport/concurrency';
import { ServiceContext } from '@sallyport/runtime';
import { KeptCertificate } from './kept-certificate.js';

// Reading two small files is cheap. A new certificate is valid for days, so a delay of 10 s does not matter.
const lookEveryMs = 10_000;

/**
 * Renews the certificates that `sallyport secure mutual` made for this machine and that belong to no service: one for
 * the programs of this machine, and one for its operator at the admin API. The CLI that made them has ended, so it
 * cannot renew them. If there are none, this does nothing.
 */
@Injectable()
export class LocalCertificates implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private readonly kept: readonly KeptCertificate[];
  private looking: Promise<void> | undefined;

  constructor(context: ServiceContext) {
    this.kept = [new KeptCertificate(context, 'client'), new KeptCertificate(context, 'administrator')];
  }

  /** Looks for the certificates now, and then every 10 seconds. The start does not wait for this. */
  onApplicationBootstrap(): void {
    this.looking = this.keepLooking();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.looking;
    await Promise.all(this.kept.map((certificate) => certificate.stop()));
  }

  /** Notices certificates that are new, were replaced or were removed since the last look. */
  async look(): Promise<void> {
    await Promise.all(this.kept.map((certificate) => certificate.look()));
  }

  private async keepLooking(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.look();
      // Stopping ends the pause early.
      await pause(lookEveryMs, { signal, ref: false });
    }
  }
}
