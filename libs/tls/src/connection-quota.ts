import type { DeviceId } from '@sallyport/protocol';
import { type Evictable, FairQuota } from './fair-quota.js';
import type { Limits } from './limits.js';
import { networkOf } from './network-of.js';

/**
 * Who may hold how many connections of an entrance: a network (an address of IPv4, a subscriber's part of IPv6) until
 * the peer has proved who it is, and its device id from then on. When the entrance is full, who has most gives one up.
 */
export class ConnectionQuota {
  readonly #limits: Limits;
  readonly #now: () => number;
  readonly #connections: FairQuota;
  /** Those that have not arrived: they say nothing yet, or their handshake goes on. */
  readonly #handshakes: FairQuota;

  constructor(limits: Limits, now: () => number = () => performance.now()) {
    const { connections, concurrentHandshakes, idleKeptMs: keptMs } = limits;
    this.#limits = limits;
    this.#now = now;
    this.#connections = new FairQuota({ most: connections, keptMs });
    this.#handshakes = new FairQuota({ most: concurrentHandshakes, keptMs });
  }

  /** Takes a place for a connection; false when there is none. Each true needs one `release`. */
  acquire(address: string, holder: Evictable): boolean {
    const network = `network ${networkOf(address)}`;
    const now = this.#now();
    const { connectionsPerAddress, concurrentHandshakes } = this.#limits;
    if (!this.#connections.acquire(network, holder, { most: connectionsPerAddress, now })) return false;
    // One host that stalls its handshakes, again and again, must not keep everybody else out.
    if (this.#handshakes.acquire(network, holder, { most: Math.ceil(concurrentHandshakes / 2), now })) return true;
    this.#connections.release(holder);
    return false;
  }

  /** The handshake is over, or there was none to make. */
  endHandshake(holder: Evictable): void {
    this.#handshakes.release(holder);
  }

  /** From here on the connection counts for its peer, wherever it comes from; false when the peer has too many. */
  identify(holder: Evictable, deviceId: DeviceId): boolean {
    const now = this.#now();
    const former = this.#connections.release(holder);
    if (this.#connections.acquire(`device ${deviceId}`, holder, { most: this.#limits.connectionsPerIdentity, now }))
      return true;
    // It is told so, and is a connection until it has gone; the place it had is still free.
    if (former !== undefined) this.#connections.acquire(former, holder, { most: Number.POSITIVE_INFINITY, now });
    return false;
  }

  release(holder: Evictable): void {
    this.#handshakes.release(holder);
    this.#connections.release(holder);
  }
}
