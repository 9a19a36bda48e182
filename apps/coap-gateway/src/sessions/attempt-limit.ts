import { CoapError } from '@sallyport/coap-wire';
import { TokenBuckets, type TokenRate } from '@sallyport/concurrency';

const mostNetworks = 10_000;
// It spares providers and registry. A site behind one address may have hundreds of devices, which come back all at once.
const usualRate = { burst: 2_000, perSecond: 20 };

/** How often a network may try in vain to sign up, in or off, or to refresh a token. */
export class AttemptLimit {
  private readonly attempts: TokenBuckets;

  constructor(rate: TokenRate = usualRate) {
    this.attempts = new TokenBuckets(rate, mostNetworks);
  }

  /**
   * Tries, unless the network has tried in vain too often. What is on its way counts until it has ended well. An outage on
   * our side is not the fault of the network.
   *
   * @throws CoapError `4.29`: too often; and what the attempt throws
   */
  async run<Answer>(network: string, attempt: () => Promise<Answer>): Promise<Answer> {
    if (!this.attempts.take(network, performance.now()))
      throw new CoapError('4.29', 'too many failed attempts from this network, try again in a minute');
    try {
      const answer = await attempt();
      this.giveBack(network);
      return answer;
    } catch (error) {
      if (!(error instanceof CoapError) || error.code.startsWith('5')) this.giveBack(network);
      throw error;
    }
  }

  private giveBack(network: string): void {
    this.attempts.charge(network, -1, performance.now());
  }
}
