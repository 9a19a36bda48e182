import { setTimeout as delay } from 'node:timers/promises';
import { backOffMs } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import { type Certificate, hasBegun } from '@sallyport/x509';
import { renewalDueAt, spreadShare } from './renewal-due.js';

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

// A timer stops while the machine sleeps, and knows nothing of a clock that is set. So look at the clock this often.
const longestWaitMs = 60_000;
// If a certificate is dated back by most of its life, it is due for renewal as soon as it is issued.
const shortestPauseMs = 60_000;
const longestRetryMs = 3_600_000;
const retries = { firstMs: 60_000, longestMs: longestRetryMs, jitter: 0.5 };
const silence = { firstMs: 2_000, longestMs: 60_000, jitter: 0.5 };
const shortestRetryMs = 10_000;
const outOfDate = new Set<unknown>(['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']);

/**
 * Renews a certificate after two thirds of its life, again and again until it is stopped. The first tries of many
 * devices are spread over a quarter of the remaining life. A failed try is repeated after one minute, two, four and so
 * on up to one hour; earlier if the end is near or if nobody answers while the certificate is not valid, later if the
 * server says so. After a success the next try comes after
 * a minute or later, whatever the certificate says. It also tries after the end, because a signer may renew an expired
 * certificate. One that is not valid yet is renewed at once: the clock was ahead, or is behind. The clock is looked at
 * once a minute, so that a jump of it is noticed.
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
    // Certificates in a row that were not valid yet when they came.
    let early = 0;
    while (!signal.aborted) {
      await this.waitUntilDue(certificate);
      const renewed = await this.renewPersistently(certificate);
      if (renewed === undefined) return;
      certificate = renewed;
      this.options.onRenewed?.(renewed);
      // The clock of the signer may be ahead of ours for long. The next certificate would be no better.
      early = hasBegun(renewed, this.now()) ? 0 : early + 1;
      await this.pause(Math.max(shortestPauseMs, early === 0 ? 0 : renewalBackOffMs(early, this.random())));
    }
  }

  private async waitUntilDue(certificate: Certificate): Promise<void> {
    const due = renewalDueAt(certificate).getTime();
    const firstTryMs = due + (certificate.notAfter.getTime() - due) * spreadShare * this.random();
    while (!this.abort.signal.aborted && hasBegun(certificate, this.now())) {
      const remainingMs = firstTryMs - this.now().getTime();
      if (remainingMs <= 0) return;
      await this.wait(remainingMs);
    }
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

  private retryInMs(error: unknown, failures: number, certificate: Certificate): number {
    const remainingMs = certificate.notAfter.getTime() - this.now().getTime();
    const isValid = remainingMs > 0 && hasBegun(certificate, this.now());
    const isSoon = !isValid && isSilence(error);
    const ownMs = isSoon ? silenceBackOffMs(failures, this.random()) : renewalBackOffMs(failures, this.random());
    const urgentMs = remainingMs > 0 ? Math.max(remainingMs / 10, shortestRetryMs) : longestRetryMs;
    const askedForMs = error instanceof Problem ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    return Math.max(Math.min(ownMs, urgentMs), Math.min(askedForMs, longestRetryMs));
  }

  /** Waits this long, or until the clock is set back: it may have been the reason, and nobody knows what is due now. */
  private async pause(milliseconds: number): Promise<void> {
    let now = this.now().getTime();
    const end = now + milliseconds;
    while (now < end && !this.abort.signal.aborted) {
      await this.wait(end - now);
      const before = now;
      now = this.now().getTime();
      if (now < before) return;
    }
  }

  /** Waits at most a minute, and ends early at the stop. */
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

/**
 * Whether nobody answered, or the signer showed a certificate that is out of date, as after a wrong clock. Nothing was
 * issued then, so soon trying again costs nothing.
 */
export function isSilence(error: unknown): boolean {
  if (!(error instanceof Problem)) return false;
  return error.type === 'unavailable' || outOfDate.has(error.extensions['code']);
}

/**
 * How long to wait while there is no valid certificate and nobody answers: two seconds, four, eight and so on up to a
 * minute. Chance takes up to half of it.
 *
 * @param failures in a row before this one
 * @param random 0 to 1
 */
export function silenceBackOffMs(failures: number, random: number): number {
  return backOffMs(failures + 1, silence, random);
}

async function waitWithoutHoldingTheProcess(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal, ref: false });
}
