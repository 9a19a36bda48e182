import { CoapError } from '@sallyport/coap-wire';
import { TokenBuckets, type TokenRate } from '@sallyport/concurrency';

const mostNetworks = 10_000;
const mostIdentities = 20_000;
// It spares providers and registry. A site behind one address may have hundreds of devices, which come back all at once.
const networkRate = { burst: 2_000, perSecond: 20 };
// A tenth of it, and then a hundredth: a device that is broken, or in the wrong hands, must not keep out its whole network.
const identityRate = { burst: 200, perSecond: 0.2 };

/** Who makes an attempt. */
export interface AttemptSource {
  readonly network: string;
  /** The name in its certificate; undefined without one. */
  readonly identity: string | undefined;
}

interface AttemptRates {
  readonly network?: TokenRate;
  readonly identity?: TokenRate;
}

/** How often a device, and a network, may try in vain to sign up, in or off, or to refresh a token. */
export class AttemptLimit {
  private readonly ofNetworks: TokenBuckets;
  private readonly ofIdentities: TokenBuckets;

  constructor({ network = networkRate, identity = identityRate }: AttemptRates = {}) {
    this.ofNetworks = new TokenBuckets(network, mostNetworks);
    this.ofIdentities = new TokenBuckets(identity, mostIdentities);
  }

  /**
   * Tries, unless the device or its network has tried in vain too often. What is on its way counts until it has ended
   * well. An outage on our side is nobody's fault.
   *
   * @throws CoapError `4.29`: too often; and what the attempt throws
   */
  async run<Answer>(source: AttemptSource, attempt: () => Promise<Answer>): Promise<Answer> {
    this.take(source);
    try {
      const answer = await attempt();
      this.giveBack(source);
      return answer;
    } catch (error) {
      if (!(error instanceof CoapError) || error.code.startsWith('5')) this.giveBack(source);
      throw error;
    }
  }

  private take({ network, identity }: AttemptSource): void {
    const now = performance.now();
    if (identity !== undefined && !this.ofIdentities.take(identity, now))
      throw new CoapError('4.29', 'too many failed attempts of this device, try again in a minute');
    if (this.ofNetworks.take(network, now)) return;
    if (identity !== undefined) this.ofIdentities.charge(identity, -1, now);
    throw new CoapError('4.29', 'too many failed attempts from this network, try again in a minute');
  }

  private giveBack({ network, identity }: AttemptSource): void {
    const now = performance.now();
    this.ofNetworks.charge(network, -1, now);
    if (identity !== undefined) this.ofIdentities.charge(identity, -1, now);
  }
}
