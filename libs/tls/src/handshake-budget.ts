import { BoundedMap, TokenBucket } from '@sallyport/concurrency';
import { networkOf } from './network-of.js';

/** What a usual handshake costs on a slow gateway, in milliseconds of CPU time; only what is above it is charged. */
const usualMs = 3;

/** What a network may cost at once, and in each second, in milliseconds of CPU time. */
const network = { burst: 50, perSecond: 10 };

/** What all networks that have not proved themselves may cost together before less is read from them. */
const strangers = { burst: 200, perSecond: 40 };

/** How long a network counts as a stranger's after an expensive handshake from it, in milliseconds. */
const distrustMs = 600_000;

/** Handshakes of a network in progress at once that nobody measures: each may take as long as the longest chain. */
const mostDirect = 16;

/** Networks remembered, each with about 200 bytes. */
const mostNetworks = 10_000;

interface Account {
  readonly bucket: TokenBucket;
  /** A peer from there has been admitted. */
  hasProved: boolean;
  distrustedUntil: number;
  /** Handshakes in progress that nobody measures. */
  directCount: number;
}

/** How the next handshake of a network is made. */
export type HandshakeTerms =
  | 'refused'
  /** What the client sends is counted and its cost measured; a little slower for as long as the connection lives. */
  | 'metered'
  | 'metered-closely'
  /** OpenSSL reads the socket itself. */
  | 'direct';

/**
 * Charges handshakes that fail to the network they came from, by the CPU time they took.
 *
 * OpenSSL checks every signature of the chain a client sends, of up to 100 certificates with keys of its choice, before
 * anybody knows who it is, and Node has no setting for that. So a stranger is metered; a network from which a peer was
 * admitted is not, until a handshake from there costs much and fails.
 */
export class HandshakeBudget {
  readonly #now: () => number;
  readonly #strangers: TokenBucket;
  readonly #accounts = new BoundedMap<string, Account>(mostNetworks);

  /** @param now  milliseconds of a clock that only goes forward */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#strangers = new TokenBucket(strangers, now());
  }

  termsFor(address: string): HandshakeTerms {
    const now = this.#now();
    const account = this.#accounts.get(networkOf(address));
    if ((account?.bucket.level(now) ?? 1) <= 0) return 'refused';
    if (account?.hasProved === true && now >= account.distrustedUntil && account.directCount < mostDirect)
      return 'direct';
    return this.#strangers.level(now) <= 0 ? 'metered-closely' : 'metered';
  }

  /** Each needs one `endDirect`. */
  beginDirect(address: string): void {
    this.#accountOf(address).directCount += 1;
  }

  endDirect(address: string): void {
    const account = this.#accountOf(address);
    account.directCount = Math.max(0, account.directCount - 1);
  }

  /** Counts what a handshake that goes on has cost so far; `giveBack` ends that. */
  hold(address: string, costMs: number): void {
    const now = this.#now();
    this.#accountOf(address).bucket.charge(costMs, now);
    this.#strangers.charge(costMs, now);
  }

  giveBack(address: string, costMs: number): void {
    this.hold(address, -costMs);
  }

  /**
   * Whether the network has nothing left for a handshake that goes on.
   *
   * @param heldMs  what that handshake itself has cost: a slow machine may take longer over an honest chain
   */
  isSpent(address: string, heldMs: number): boolean {
    const account = this.#accounts.get(networkOf(address));
    return account !== undefined && account.bucket.level(this.#now()) + heldMs <= 0;
  }

  /** A handshake has failed, or its peer was refused. */
  charge(address: string, costMs: number): void {
    const aboveMs = costMs - usualMs;
    if (aboveMs <= 0) return;
    const account = this.#accountOf(address);
    const now = this.#now();
    account.bucket.charge(aboveMs, now);
    account.distrustedUntil = now + distrustMs;
    this.#strangers.charge(aboveMs, now);
  }

  /** A peer from there was admitted. */
  prove(address: string): void {
    this.#accountOf(address).hasProved = true;
  }

  #accountOf(address: string): Account {
    const key = networkOf(address);
    const known = this.#accounts.get(key);
    if (known !== undefined) return known;
    const now = this.#now();
    const account: Account = {
      bucket: new TokenBucket(network, now),
      hasProved: false,
      distrustedUntil: 0,
      directCount: 0,
    };
    this.#accounts.set(key, account);
    return account;
  }
}
