import { setTimeout as delay } from 'node:timers/promises';
import { backOffMs } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';
import { renewalDueAt } from './renewal-due.js';

export interface RenewalScheduleOptions {
  /** The certificate in force at the start. */
  readonly certificate: Certificate;
  /** Gets the next certificate and puts it in force. */
  readonly renew: (signal: AbortSignal) => Promise<Certificate>;
  readonly onRenewed?: (certificate: Certificate) => void;
  /** Called after each failed try. The next follows in `retryInMs`. */
  readonly onFailure?: (error: unknown, retryInMs: number) => void;
  /** Time of day; the machine's when absent. */
  readonly now?: () => Date;
  /** 0 to 1, spreads the renewals of many devices; `Math.random` by default. */
  readonly random?: () => number;
  /** Waits; rejects when `signal` aborts. By default a timer that does not keep the process alive. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

// A timer stops while the machine sleeps, and cannot be longer than 24 days. So look at the clock at least this often.
const longestWaitMs = 3_600_000;
// If a certificate is dated back by most of its life, it is due for renewal as soon as it is issued.
const shortestPauseMs = 60_000;
const longestRetryMs = 3_600_000;
const retries = { firstMs: 60_000, longestMs: longestRetryMs, jitter: 0.5 };
const shortestRetryMs = 10_000;
/** First tries are spread over this part of the remaining life after the due time. */
const jitterShare = 1 / 4;

/**
 * Renews a certificate after two thirds of its life, again and again until it is stopped. The first tries of many
 * devices are spread over a quarter of the remaining life. A failed try is repeated after one minute, two, four and so
 * on up to one hour; earlier if the end is near, later if the server says so. After a success the next try comes after
 * a minute or later, whatever the certificate says. It also tries after the end, because a signer may renew an expired
 * certificate.
 */
export class RenewalSchedule {
  private readonly options: RenewalScheduleOptions;
  private readonly abort = new AbortController();
  private running: Promise<void> | undefined;

  constructor(options: RenewalScheduleOptions) {
    this.options = options;
  }

  /** Starts; once. */
  start(): void {
    this.running ??= this.run();
  }

  /** Stops. Aborts a try under way, and resolves when it has ended. */
  async stop(): Promise<void> {
    this.abort.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.abort;
    let { certificate } = this.options;
    while (!signal.aborted) {
      await this.waitUntil(this.firstTryAt(certificate));
      const renewed = await this.renewPersistently(certificate);
      if (renewed === undefined) return;
      certificate = renewed;
      this.options.onRenewed?.(renewed);
      await this.pause(shortestPauseMs);
    }
  }

  private firstTryAt(certificate: Certificate): Date {
    const due = renewalDueAt(certificate).getTime();
    const spreadMs = (certificate.notAfter.getTime() - due) * jitterShare * this.random();
    return new Date(due + spreadMs);
  }

  /** Undefined when stopped. */
  private async renewPersistently(certificate: Certificate): Promise<Certificate | undefined> {
    const { signal } = this.abort;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        return await this.options.renew(signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        const retryInMs = this.retryInMs(error, failures, certificate);
        this.options.onFailure?.(error, retryInMs);
        await this.pause(retryInMs);
      }
    }
    return undefined;
  }

  private retryInMs(error: unknown, failures: number, { notAfter }: Certificate): number {
    const ownMs = renewalBackOffMs(failures, this.random());
    const remainingMs = notAfter.getTime() - this.now().getTime();
    const urgentMs = remainingMs > 0 ? Math.max(remainingMs / 10, shortestRetryMs) : longestRetryMs;
    const askedForMs = error instanceof Problem ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    return Math.max(Math.min(ownMs, urgentMs), Math.min(askedForMs, longestRetryMs));
  }

  /** Waits this long. If the clock is set back in the meantime, the wait starts again, but does not become longer. */
  private async pause(milliseconds: number): Promise<void> {
    let end = this.now().getTime() + milliseconds;
    for (;;) {
      const now = this.now().getTime();
      end = Math.min(end, now + milliseconds);
      if (now >= end || this.abort.signal.aborted) return;
      await this.wait(end - now);
    }
  }

  private async waitUntil(moment: Date): Promise<void> {
    for (;;) {
      const remainingMs = moment.getTime() - this.now().getTime();
      if (remainingMs <= 0 || this.abort.signal.aborted) return;
      await this.wait(remainingMs);
    }
  }

  /** Waits at most an hour, and ends early at the stop. */
  private async wait(milliseconds: number): Promise<void> {
    const { signal } = this.abort;
    const wait = this.options.wait ?? waitWithoutHoldingTheProcess;
    try {
      await wait(Math.min(milliseconds, longestWaitMs), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  private now(): Date {
    return this.options.now?.() ?? new Date();
  }

  private random(): number {
    return (this.options.random ?? Math.random)();
  }
}

/**
 * How long to wait after a failed renewal: one minute, two, four and so on up to one hour. Chance takes up to half of
 * it.
 *
 * @param failures in a row before this one
 * @param random 0 to 1
 */
export function renewalBackOffMs(failures: number, random: number): number {
  return backOffMs(failures + 1, retries, random);
}

async function waitWithoutHoldingTheProcess(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal, ref: false });
}
