import { TokenBuckets, type TokenRate } from '@sallyport/concurrency';
import { passingRefusals, type RefusalReason } from '@sallyport/protocol';

const mostNetworks = 10_000;
// It spares the registry. A site behind one address may have hundreds of devices whose secrets were replaced, and they
// must not keep out the others there. Against guessing names and passwords, the registry has narrower limits.
const usualRate = { burst: 300, perSecond: 20 };

type Decision = { readonly outcome: string } | { readonly outcome: 'refused'; readonly reason: RefusalReason };

const tooMany = { outcome: 'refused', reason: 'too-many-attempts' } as const;

/** How often a network may ask the registry in vain about secrets and names. */
export class GuessLimit {
  private readonly guesses: TokenBuckets;

  constructor(rate: TokenRate = usualRate) {
    this.guesses = new TokenBuckets(rate, mostNetworks);
  }

  /** Asks, unless the network has asked in vain too often. What is on its way counts until it has ended well. */
  async ask<Answer extends Decision>(network: string, question: () => Promise<Answer>) {
    if (!this.guesses.take(network, performance.now())) return tooMany;
    const answer = await question();
    if (!isInVain(answer)) this.guesses.charge(network, -1, performance.now());
    return answer;
  }
}

function isInVain(answer: Decision): boolean {
  return 'reason' in answer && !passingRefusals.has(answer.reason);
}
