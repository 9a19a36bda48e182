import type { Clock } from '@sallyport/runtime';
import { RateLimit, type RateLimitOptions } from './rate-limit.js';

// One address may be a whole site behind a gateway or a load balancer. A name is one device.
const addressLimit = { burst: 400, perSecond: 200 };
const nameLimit = { burst: 60, perSecond: 1 };
// Each renewal leaves some kilobytes in the store for months. With this limit a device adds at most 7 MB a day.
const renewalLimit = { burst: 60, perSecond: 1 / 60 };

/** How often one address, and one name, may ask. */
export interface CallerLimits {
  readonly byAddress: RateLimit;
  readonly byName: RateLimit;
}

export interface EnrolmentLimits extends CallerLimits {
  /** How many wrong passwords one name may send. */
  readonly guesses: RateLimit;
}

/** For requests with a one-time token. */
export function enrolmentLimits(clock: Clock): EnrolmentLimits {
  return { ...callerLimits(clock, nameLimit), guesses: new RateLimit(clock, nameLimit) };
}

/** For renewals. These limits are separate, so that requests for enrolment cannot stop a device from renewing. */
export function renewalLimits(clock: Clock): CallerLimits {
  return callerLimits(clock, renewalLimit);
}

function callerLimits(clock: Clock, byName: RateLimitOptions): CallerLimits {
  return { byAddress: new RateLimit(clock, addressLimit), byName: new RateLimit(clock, byName) };
}
