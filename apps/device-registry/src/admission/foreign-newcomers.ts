import { Injectable } from '@nestjs/common';
import { RepeatFilter, TokenBucket } from '@sallyport/concurrency';
import { type CertificateAdmissionRequest, usualNewcomerRate } from '@sallyport/protocol';
import { Clock, Log } from '@sallyport/runtime';

const warningPeriodMs = 60_000;

/**
 * Limits how many new certificates of foreign CAs are stored, over all such CAs. Somebody who has stolen the key of one
 * CA can make any number of names, and of CAs below it. Our own signer limits certificates of this site.
 */
@Injectable()
export class ForeignNewcomers {
  private readonly bucket: TokenBucket;
  private readonly warnings = new RepeatFilter({ periodMs: warningPeriodMs, mostSources: 1 });

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.bucket = new TokenBucket(usualNewcomerRate, clock.now().getTime());
  }

  /** Whether one more may be stored. True counts it. False writes a warning, at most once a minute. */
  take({ issuerFingerprint }: CertificateAdmissionRequest): boolean {
    const nowMs = this.clock.now().getTime();
    if (this.bucket.take(nowMs)) return true;
    const before = this.warnings.pass('newcomers', nowMs);
    if (before !== undefined)
      this.log.warn(
        { issuerFingerprint, turnedAway: before + 1 },
        'too many new certificates of foreign CAs, turned away',
      );
    return false;
  }
}
