import { BoundedMap } from './bounded-map.js';

/** How much may happen at once, and how soon it may happen again. */
export interface TokenRate {
  /** Tokens a full bucket holds. */
  readonly burst: number;
  /** Tokens that come back each second. */
  readonly perSecond: number;
  /** A bucket owes no more than this, however much is charged; without it there is no bound. */
  readonly mostOwed?: number;
}

/**
 * Lets things happen at a bounded rate: a burst, then as fast as tokens come back. What is charged without asking may
 * leave the bucket below zero; what it owes comes back first.
 *
 * Each method takes the time in milliseconds, of any clock. When the clock is set back, nothing is taken away, and
 * tokens come back as fast as ever from there.
 */
export class TokenBucket {
  private readonly burst: number;
  private readonly perMs: number;
  private readonly lowest: number;
  private lastLevel: number;
  private atMs: number;

  /** A full bucket. */
  constructor({ burst, perSecond, mostOwed = Number.POSITIVE_INFINITY }: TokenRate, nowMs: number) {
    this.burst = burst;
    this.perMs = perSecond / 1000;
    this.lowest = -mostOwed;
    this.lastLevel = burst;
    this.atMs = nowMs;
  }

  /** Tokens left; below zero when the bucket owes. */
  level(nowMs: number): number {
    const elapsedMs = Math.max(0, nowMs - this.atMs);
    this.lastLevel = Math.min(this.burst, this.lastLevel + elapsedMs * this.perMs);
    this.atMs = nowMs;
    return this.lastLevel;
  }

  /** Takes one token. False when there is no whole one: nothing is taken then. */
  take(nowMs: number): boolean {
    if (this.waitMs(nowMs) > 0) return false;
    this.lastLevel -= 1;
    return true;
  }

  /** Takes tokens whether or not they are there; a negative number gives back. */
  charge(tokens: number, nowMs: number): void {
    // Brought up to date first, so that the time before does not pay for this.
    this.lastLevel = Math.max(this.level(nowMs) - tokens, this.lowest);
  }

  /** Milliseconds until `take` gets a token; 0 when it does now. */
  waitMs(nowMs: number): number {
    return Math.max(0, Math.ceil((1 - this.level(nowMs)) / this.perMs - rounding));
  }
}

// Tenths of tokens do not add up exactly. Nobody waits a millisecond for a token that lacks less than this part of it.
const rounding = 1e-6;

/** A token bucket for every key, in bounded memory: when it is full, the key that took or was charged longest ago is full again. */
export class TokenBuckets<Key = string> {
  private readonly buckets: BoundedMap<Key, TokenBucket>;
  private readonly rate: TokenRate;

  /** @param mostKeys buckets remembered at most, each with about 100 bytes */
  constructor(rate: TokenRate, mostKeys: number) {
    this.rate = rate;
    this.buckets = new BoundedMap(mostKeys);
  }

  /** Tokens left; below zero when the bucket owes. */
  level(key: Key, nowMs: number): number {
    return this.buckets.get(key)?.level(nowMs) ?? this.rate.burst;
  }

  /** Takes one token. False when there is no whole one: nothing is taken then. */
  take(key: Key, nowMs: number): boolean {
    const bucket = this.bucketOf(key, nowMs);
    if (!bucket.take(nowMs)) return false;
    this.buckets.set(key, bucket);
    return true;
  }

  /** Takes tokens whether or not they are there; a negative number gives back. */
  charge(key: Key, tokens: number, nowMs: number): void {
    const bucket = this.bucketOf(key, nowMs);
    bucket.charge(tokens, nowMs);
    this.buckets.set(key, bucket);
  }

  /** Milliseconds until `take` gets a token; 0 when it does now. */
  waitMs(key: Key, nowMs: number): number {
    return this.bucketOf(key, nowMs).waitMs(nowMs);
  }

  private bucketOf(key: Key, nowMs: number): TokenBucket {
    return this.buckets.get(key) ?? new TokenBucket(this.rate, nowMs);
  }
}
