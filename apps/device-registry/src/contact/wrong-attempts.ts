import { Injectable } from '@nestjs/common';
import { TokenBuckets } from '@sallyport/concurrency';
import type { RefusalReason } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { networkOf } from '@sallyport/tls';
import { Refusal } from './refusal.js';

// A production line of devices that are not expected yet must not lock itself out for long.
const rate = { burst: 60, perSecond: 1, mostOwed: 0 };
const mostNetworks = 10_000;

/** What somebody learns by guessing names and secrets. */
const guesses: ReadonlySet<RefusalReason> = new Set([
  'credential-unknown',
  'credential-mismatch',
  'already-activated',
  'not-expected',
  'device-expired',
  'name-invalid',
  'identity-format',
]);

/**
 * Limits how fast a network may guess names and passwords. What succeeds costs nothing. Tokens are not limited here: 238
 * bits cannot be guessed, and a device with the right one must not wait for what its neighbours do.
 */
@Injectable()
export class WrongAttempts {
  private readonly budgets = new TokenBuckets(rate, mostNetworks);

  constructor(private readonly clock: Clock) {}

  /**
   * Judges a password. It is paid for at first and given back when it was right, so that many guesses at once are no
   * more than one after the other.
   *
   * @param remoteAddress of the socket
   * @throws Refusal `too-many-attempts`; what `judge` throws
   */
  async attempt<Result>(remoteAddress: string, judge: () => Promise<Result>): Promise<Result> {
    const network = networkOf(remoteAddress);
    if (!this.budgets.take(network, this.nowMs())) throw new Refusal('too-many-attempts');
    let isGuess = false;
    try {
      return await judge();
    } catch (error) {
      isGuess = error instanceof Refusal && guesses.has(error.reason);
      throw error;
    } finally {
      if (!isGuess) this.budgets.charge(network, -1, this.nowMs());
    }
  }

  /**
   * @param remoteAddress of the socket
   * @throws Refusal `too-many-attempts`
   */
  requireBudget(remoteAddress: string): void {
    if (this.budgets.level(networkOf(remoteAddress), this.nowMs()) < 1) throw new Refusal('too-many-attempts');
  }

  note(remoteAddress: string, reason: RefusalReason): void {
    if (guesses.has(reason)) this.budgets.charge(networkOf(remoteAddress), 1, this.nowMs());
  }

  private nowMs(): number {
    return this.clock.now().getTime();
  }
}
