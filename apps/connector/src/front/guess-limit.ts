import { Injectable } from '@nestjs/common';
import { TokenBuckets } from '@sallyport/concurrency';

const mostNetworks = 10_000;
// A site behind one address may have many devices whose tokens were replaced.
const guessRate = { burst: 50, perSecond: 1 };

/** How often a network may present wrong credentials, and ask for tokens it may not have. */
@Injectable()
export class GuessLimit {
  private readonly guesses = new TokenBuckets(guessRate, mostNetworks);

  isSpent(network: string): boolean {
    return this.guesses.level(network, performance.now()) < 1;
  }

  /** A guess was wrong. */
  charge(network: string): void {
    this.guesses.charge(network, 1, performance.now());
  }
}
