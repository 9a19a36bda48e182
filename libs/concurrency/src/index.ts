export { type BackOff, backOffMs } from './back-off.js';
export { BoundedMap } from './bounded-map.js';
export { type DeadlineOptions, startDeadline, within } from './deadline.js';
export { pause } from './pause.js';
export { PeriodicWork, type PeriodicWorkOptions } from './periodic-work.js';
export { RepeatFilter, type RepeatFilterOptions } from './repeat-filter.js';
export { KeyedSemaphore, Semaphore } from './semaphore.js';
export { KeyedSerialQueue, SerialQueue } from './serial-queue.js';
export { TokenBucket, TokenBuckets, type TokenRate } from './token-bucket.js';
