import type { Limits } from './limits.js';

/** Counts connections and handshakes, in all and per address, and says when the entrance is full. */
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

/** So many places in all, and so many for one address. */
class Places {
  readonly #most: number;
  readonly #mostPerAddress: number;
  readonly #takenByAddress = new Map<string, number>();
  #taken = 0;

  constructor(most: number, mostPerAddress: number) {
    this.#most = most;
    this.#mostPerAddress = mostPerAddress;
  }

  take(address: string): boolean {
    const takenThere = this.#takenByAddress.get(address) ?? 0;
    if (this.#taken >= this.#most || takenThere >= this.#mostPerAddress) return false;
    this.#taken += 1;
    this.#takenByAddress.set(address, takenThere + 1);
    return true;
  }

  giveBack(address: string): void {
    this.#taken -= 1;
    const rest = (this.#takenByAddress.get(address) ?? 1) - 1;
    if (rest === 0) this.#takenByAddress.delete(address);
    else this.#takenByAddress.set(address, rest);
  }
}
