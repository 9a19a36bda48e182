import { Injectable } from '@nestjs/common';
import { TokenBucket } from '@sallyport/concurrency';
import type { CertificateAdmissionRequest } from '@sallyport/protocol';
import { Clock, Log } from '@sallyport/runtime';

// Each certificate is kept for good: 1 000 at once, then 170 000 a day, some 0.3 GB.
const rate = { burst: 1_000, perSecond: 2 };
const warningRate = { burst: 1, perSecond: 1 / 60 };

/**
 * Bounds how many new certificates of foreign CAs are written down, over all such CAs: who has stolen the key of one can
 * make as many names, and as many CAs below it, as he likes. Certificates of this site are bounded by those who sign them.
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
    this.bucket = new TokenBucket(rate, nowMs);
    this.warnings = new TokenBucket(warningRate, nowMs);
  }

  /** Whether one more may be written down; when so, it counts. When not, a warning says so, once a minute. */
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
