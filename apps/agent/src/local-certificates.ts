import { setTimeout as delay } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ServiceContext } from '@sallyport/runtime';
import { KeptCertificate } from './kept-certificate.js';

// Two small files are read; a certificate that appears is good for days, so nothing is lost in between.
const lookEveryMs = 10_000;

/**
 * Keeps the certificates renewed that `sallyport secure mutual` made for this machine and that belong to no service:
 * what its programs show as clients, and what its operator shows to the admin API. The CLI that made them does not stay
 * to do it. Where there are none, nothing happens.
 */
@Injectable()
export class LocalCertificates implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly stopping = new AbortController();
  private readonly kept: readonly KeptCertificate[];
  private looking: Promise<void> | undefined;

  constructor(context: ServiceContext) {
    this.kept = [new KeptCertificate(context, 'client'), new KeptCertificate(context, 'administrator')];
  }

  /** Looks at once and then every 10 seconds; start does not wait for it. */
  onApplicationBootstrap(): void {
    this.looking = this.keepLooking();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.looking;
    await Promise.all(this.kept.map((certificate) => certificate.stop()));
  }

  /** Takes up certificates that appeared, were replaced or have gone since the last look. */
  async look(): Promise<void> {
    await Promise.all(this.kept.map((certificate) => certificate.look()));
  }

  private async keepLooking(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.look();
      // Stopping ends the pause early.
      await delay(lookEveryMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }
}
