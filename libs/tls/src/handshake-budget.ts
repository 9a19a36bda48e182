import { BoundedMap, TokenBucket } from '@sallyport/concurrency';
import { networkOf } from './network-of.js';

/** What a usual handshake costs on a slow gateway, in milliseconds of CPU time. Only the cost above it is charged. */
const usualMs = 3;

/** What of the cost of a handshake its network is charged with, in milliseconds of CPU time. */
export function chargeableMs(costMs: number): number {
  return Math.max(0, costMs - usualMs);
}

/** What a network may cost at once, and in each second, in milliseconds of CPU time. */
const network = { burst: 50, perSecond: 10 };

/** What all unknown networks together may cost before we read fewer bytes from each of them. */
const unknownNetworks = { burst: 200, perSecond: 40 };

/** How long a network counts as unknown again after an expensive failed handshake, in milliseconds. */
const distrustMs = 600_000;

/** Unmeasured handshakes of one network at the same time. Each may take as long as the longest chain. */
const mostDirect = 16;

/** Networks remembered, each with about 200 bytes. */
const mostNetworks = 10_000;

interface Account {
  readonly bucket: TokenBucket;
  /** A peer from this network has been admitted. */
  hasProved: boolean;
  distrustedUntil: number;
  /** Unmeasured handshakes in progress. */
  directCount: number;
}

/** How the next handshake of a network is made. */
export type HandshakeTerms =
  | 'refused'
  /** Bytes are counted and CPU time is measured. Makes the connection a little slower for its whole life. */
  | 'metered'
  | 'metered-closely'
  /** OpenSSL reads the socket itself; nothing is measured. */
  | 'direct';

/**
 * Charges the CPU time of failed handshakes to the network they came from.
 *
 * A client may send a chain of up to 100 certificates with keys of its choice. OpenSSL checks every signature before
 * anybody knows who the client is, and Node has no setting to limit that. So handshakes from unknown networks are
 * measured. A network from which a peer was admitted is not measured, until a handshake from it fails and was
 * expensive.
 */
export class HandshakeBudget {
  private readonly now: () => number;
  private readonly unknownNetworks: TokenBucket;
  private readonly accounts = new BoundedMap<string, Account>(mostNetworks);

  /** @param now  milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.now = now;
    this.unknownNetworks = new TokenBucket(unknownNetworks, now());
  }

  termsFor(address: string): HandshakeTerms {
    const now = this.now();
    const account = this.accounts.get(networkOf(address));
    if ((account?.bucket.level(now) ?? 1) <= 0) return 'refused';
    if (account?.hasProved === true && now >= account.distrustedUntil && account.directCount < mostDirect)
      return 'direct';
    return this.unknownNetworks.level(now) <= 0 ? 'metered-closely' : 'metered';
  }

  /** Each needs one `endDirect`. */
  beginDirect(address: string): void {
    this.accountOf(address).directCount += 1;
  }

  endDirect(address: string): void {
    const account = this.accountOf(address);
    account.directCount = Math.max(0, account.directCount - 1);
  }

  /** Reserves what a running handshake is charged with so far. `giveBack` undoes it. */
  hold(address: string, costMs: number): void {
    const now = this.now();
    this.accountOf(address).bucket.charge(costMs, now);
    this.unknownNetworks.charge(costMs, now);
  }

  giveBack(address: string, costMs: number): void {
    this.hold(address, -costMs);
  }

  /**
   * Whether the network has nothing left for a running handshake.
   *
   * @param heldMs  what that handshake itself has reserved. It does not count: an honest chain may take long on a slow
   *   machine.
   */
  isSpent(address: string, heldMs: number): boolean {
    const account = this.accounts.get(networkOf(address));
    return account !== undefined && account.bucket.level(this.now()) + heldMs <= 0;
  }

  /** A handshake failed, or its peer was refused. */
  charge(address: string, costMs: number): void {
    const aboveMs = chargeableMs(costMs);
    if (aboveMs === 0) return;
    const account = this.accountOf(address);
    const now = this.now();
    account.bucket.charge(aboveMs, now);
    account.distrustedUntil = now + distrustMs;
    this.unknownNetworks.charge(aboveMs, now);
  }

  /** A peer from this network was admitted. */
  prove(address: string): void {
    this.accountOf(address).hasProved = true;
  }

  private accountOf(address: string): Account {
    const key = networkOf(address);
    const known = this.accounts.get(key);
    if (known !== undefined) return known;
    const now = this.now();
    const account: Account = {
      bucket: new TokenBucket(network, now),
      hasProved: false,
      distrustedUntil: 0,
      directCount: 0,
    };
    this.accounts.set(key, account);
    return account;
  }
}
