import { setTimeout as delay } from 'node:timers/promises';
import { backOffMs } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import type { Certificate } from '@sallyport/x509';
import { renewalDueAt } from './renewal-due.js';

export interface RenewalScheduleOptions {
  /** The certificate in force when the schedule starts. */
  readonly certificate: Certificate;
  /** Gets the next certificate and puts it in force. */
  readonly renew: (signal: AbortSignal) => Promise<Certificate>;
  readonly onRenewed?: (certificate: Certificate) => void;
  /** Told about each try that failed; the next follows in `retryInMs`. */
  readonly onFailure?: (error: unknown, retryInMs: number) => void;
  /** Time of day; the machine's when absent. */
  readonly now?: () => Date;
  /** 0 to 1, spreads a fleet's renewals; `Math.random` when absent. */
  readonly random?: () => number;
  /** Waits; rejects when `signal` aborts. A timer that keeps no process alive when absent. */
  readonly wait?: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

// A timer does not run while the machine sleeps, and overflows after 24 days: look at the clock at least this often.
const longestWaitMs = 3_600_000;
// A certificate dated back by more than it lives on is due for renewal when it is issued.
const shortestPauseMs = 60_000;
const longestRetryMs = 3_600_000;
const retries = { firstMs: 60_000, longestMs: longestRetryMs, jitter: 0.5 };
const shortestRetryMs = 10_000;
/** Part of the remaining life after the due time over which first tries are spread. */
const jitterShare = 1 / 4;

/**
 * Renews a certificate from two thirds of its life on, again and again until stopped. First tries are spread over the
 * quarter of the remaining life that follows; failed ones are repeated after one minute, two, four and so on up to one
 * hour, sooner when the end is near, later when the server says so. After a success the next try is a minute away at
 * least, whatever the certificate says. It goes on after the end of life: a signer may renew an expired certificate.
 */
export class RenewalSchedule {
  readonly #options: RenewalScheduleOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: RenewalScheduleOptions) {
    this.#options = options;
  }

  /** Starts; once. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Stops waiting and tells a try under way to abort; resolves when it has ended. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    let { certificate } = this.#options;
    while (!signal.aborted) {
      await this.#waitUntil(this.#firstTryAt(certificate));
      const renewed = await this.#renewPersistently(certificate);
      if (renewed === undefined) return;
      certificate = renewed;
      this.#options.onRenewed?.(renewed);
      await this.#pause(shortestPauseMs);
    }
  }

  #firstTryAt(certificate: Certificate): Date {
    const due = renewalDueAt(certificate).getTime();
    const spreadMs = (certificate.notAfter.getTime() - due) * jitterShare * this.#random();
    return new Date(due + spreadMs);
  }

  /** Undefined when stopped. */
  async #renewPersistently(certificate: Certificate): Promise<Certificate | undefined> {
    const { signal } = this.#abort;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        return await this.#options.renew(signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        const retryInMs = this.#retryInMs(error, failures, certificate);
        this.#options.onFailure?.(error, retryInMs);
        await this.#pause(retryInMs);
      }
    }
    return undefined;
  }

  #retryInMs(error: unknown, failures: number, { notAfter }: Certificate): number {
    const ownMs = renewalBackOffMs(failures, this.#random());
    const remainingMs = notAfter.getTime() - this.#now().getTime();
    const urgentMs = remainingMs > 0 ? Math.max(remainingMs / 10, shortestRetryMs) : longestRetryMs;
    const askedForMs = error instanceof Problem ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    return Math.max(Math.min(ownMs, urgentMs), Math.min(askedForMs, longestRetryMs));
  }

  /** Waits for a length of time; a clock that is set back meanwhile begins it once more, and does not stretch it. */
  async #pause(milliseconds: number): Promise<void> {
    let end = this.#now().getTime() + milliseconds;
    for (;;) {
      const now = this.#now().getTime();
      end = Math.min(end, now + milliseconds);
      if (now >= end || this.#abort.signal.aborted) return;
      await this.#wait(end - now);
    }
  }

  async #waitUntil(moment: Date): Promise<void> {
    for (;;) {
      const remainingMs = moment.getTime() - this.#now().getTime();
      if (remainingMs <= 0 || this.#abort.signal.aborted) return;
      await this.#wait(remainingMs);
    }
  }

  /** Waits, but an hour at most, and not for longer than it takes to be stopped. */
  async #wait(milliseconds: number): Promise<void> {
    const { signal } = this.#abort;
    const wait = this.#options.wait ?? waitWithoutHoldingTheProcess;
    try {
      await wait(Math.min(milliseconds, longestWaitMs), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }

  #random(): number {
    return (this.#options.random ?? Math.random)();
  }
}

/**
 * How long to wait after a renewal that failed: one minute, two, four and so on up to one hour, or half of it.
 *
 * @param failures before this one, in a row
 * @param random 0 to 1
 */
export function renewalBackOffMs(failures: number, random: number): number {
  return backOffMs(failures + 1, retries, random);
}

async function waitWithoutHoldingTheProcess(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal, ref: false });
}
