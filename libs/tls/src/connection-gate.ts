import type { Limits } from './limits.js';

/** Counts connections and handshakes, in all and per address, and says when the entrance is full. */
export class ConnectionGate {
  readonly #limits: Limits;
  readonly #byAddress = new Map<string, number>();
  #connections = 0;
  #handshakes = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get connections(): number {
    return this.#connections;
  }

  /** Takes a place for a connection; false when there is none. Each true needs one `leave`. */
  enter(address: string): boolean {
    const fromThere = this.#byAddress.get(address) ?? 0;
    if (this.#connections >= this.#limits.connections || fromThere >= this.#limits.connectionsPerAddress) return false;
    this.#connections += 1;
    this.#byAddress.set(address, fromThere + 1);
    return true;
  }

  leave(address: string): void {
    this.#connections -= 1;
    const rest = (this.#byAddress.get(address) ?? 1) - 1;
    if (rest === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, rest);
  }

  /** Takes a place for a handshake; false when there is none. Each true needs one `endHandshake`. */
  beginHandshake(): boolean {
    if (this.#handshakes >= this.#limits.concurrentHandshakes) return false;
    this.#handshakes += 1;
    return true;
  }

  endHandshake(): void {
    this.#handshakes -= 1;
  }
}
