import type { Limits } from './limits.js';
import { networkOf } from './network-of.js';

/** Counts connections and handshakes, in all and per network, and says when the entrance is full. */
export class ConnectionGate {
  readonly #connections: Places;
  readonly #handshakes: Places;

  constructor(limits: Limits) {
    const { connections, connectionsPerAddress, concurrentHandshakes } = limits;
    this.#connections = new Places(connections, connectionsPerAddress);
    // One host that stalls its handshakes, again and again, must not keep everybody else out.
    this.#handshakes = new Places(concurrentHandshakes, Math.ceil(concurrentHandshakes / 2));
  }

  /** Takes a place for a connection; false when there is none. Each true needs one `leave`. */
  enter(address: string): boolean {
    return this.#connections.take(address);
  }

  leave(address: string): void {
    this.#connections.giveBack(address);
  }

  /** Takes a place for a handshake; false when there is none. Each true needs one `endHandshake`. */
  beginHandshake(address: string): boolean {
    return this.#handshakes.take(address);
  }

  endHandshake(address: string): void {
    this.#handshakes.giveBack(address);
  }
}

/** So many places in all, and so many for one network: an address of IPv4, a subscriber's part of IPv6. */
class Places {
  readonly #most: number;
  readonly #mostPerNetwork: number;
  readonly #takenByNetwork = new Map<string, number>();
  #taken = 0;

  constructor(most: number, mostPerNetwork: number) {
    this.#most = most;
    this.#mostPerNetwork = mostPerNetwork;
  }

  take(address: string): boolean {
    const network = networkOf(address);
    const takenThere = this.#takenByNetwork.get(network) ?? 0;
    if (this.#taken >= this.#most || takenThere >= this.#mostPerNetwork) return false;
    this.#taken += 1;
    this.#takenByNetwork.set(network, takenThere + 1);
    return true;
  }

  giveBack(address: string): void {
    this.#taken -= 1;
    const network = networkOf(address);
    const rest = (this.#takenByNetwork.get(network) ?? 1) - 1;
    if (rest === 0) this.#takenByNetwork.delete(network);
    else this.#takenByNetwork.set(network, rest);
  }
}
