import { Injectable } from '@nestjs/common';
import { TokenBucket } from '@sallyport/concurrency';
import { type CertificateAdmissionRequest, usualNewcomerRate } from '@sallyport/protocol';
import { Clock, Log } from '@sallyport/runtime';

const warningRate = { burst: 1, perSecond: 1 / 60 };

/**
 * Limits how many new certificates of foreign CAs are stored, over all such CAs. Somebody who has stolen the key of one
 * CA can make any number of names, and of CAs below it. Our own signer limits certificates of this site.
 */
@Injectable()
export class ForeignNewcomers {
  private readonly bucket: TokenBucket;
  private readonly warnings: TokenBucket;
  private turnedAway = 0;

  constructor(
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    const nowMs = clock.now().getTime();
    this.bucket = new TokenBucket(usualNewcomerRate, nowMs);
    this.warnings = new TokenBucket(warningRate, nowMs);
  }

  /** Whether one more may be stored. True counts it. False writes a warning, at most once a minute. */
  take({ issuerFingerprint }: CertificateAdmissionRequest): boolean {
    const nowMs = this.clock.now().getTime();
    if (this.bucket.take(nowMs)) return true;
    this.turnedAway += 1;
    if (this.warnings.take(nowMs)) {
      const { turnedAway } = this;
      this.log.warn({ issuerFingerprint, turnedAway }, 'too many new certificates of foreign CAs, turned away');
      this.turnedAway = 0;
    }
    return false;
  }
}
