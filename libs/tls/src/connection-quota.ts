import type { DeviceId } from '@sallyport/protocol';
import { FairPlaces, type Guest } from './fair-places.js';
import type { Limits } from './limits.js';
import { networkOf } from './network-of.js';

/**
 * Who may hold how many connections of an entrance: a network (an address of IPv4, a subscriber's part of IPv6) until
 * the peer has proved who it is, and its device id from then on. When the entrance is full, who has most gives one up.
 */
export class ConnectionGate {
  readonly #limits: Limits;
  readonly #now: () => number;
  readonly #connections: FairPlaces;
  /** Those that have not arrived: they say nothing yet, or their handshake goes on. */
  readonly #arrivals: FairPlaces;

  constructor(limits: Limits, now: () => number = () => performance.now()) {
    const { connections, concurrentHandshakes, placeKeptMs: keptMs } = limits;
    this.#limits = limits;
    this.#now = now;
    this.#connections = new FairPlaces({ most: connections, keptMs });
    this.#arrivals = new FairPlaces({ most: concurrentHandshakes, keptMs });
  }

  /** Takes a place for a connection; false when there is none. Each true needs one `leave`. */
  enter(address: string, guest: Guest): boolean {
    const network = `network ${networkOf(address)}`;
    const now = this.#now();
    const { connectionsPerAddress, concurrentHandshakes } = this.#limits;
    if (!this.#connections.take(network, guest, { most: connectionsPerAddress, now })) return false;
    // One host that stalls its handshakes, again and again, must not keep everybody else out.
    if (this.#arrivals.take(network, guest, { most: Math.ceil(concurrentHandshakes / 2), now })) return true;
    this.#connections.leave(guest);
    return false;
  }

  /** The handshake is over, or there was none to make. */
  arrive(guest: Guest): void {
    this.#arrivals.leave(guest);
  }

  /** From here on the connection counts for its peer, wherever it comes from; false when the peer has too many. */
  prove(guest: Guest, deviceId: DeviceId): boolean {
    const now = this.#now();
    const former = this.#connections.leave(guest);
    if (this.#connections.take(`device ${deviceId}`, guest, { most: this.#limits.connectionsPerIdentity, now }))
      return true;
    // It is told so, and is a connection until it has gone; the place it had is still free.
    if (former !== undefined) this.#connections.take(former, guest, { most: Number.POSITIVE_INFINITY, now });
    return false;
  }

  leave(guest: Guest): void {
    this.#arrivals.leave(guest);
    this.#connections.leave(guest);
  }
}
