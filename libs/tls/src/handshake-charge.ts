import type { Socket } from 'node:net';
import type { HandshakeBudget } from './handshake-budget.js';
import type { Limits } from './limits.js';
import { MeteredStream } from './metered-stream.js';

/** What a handshake costs that nobody measured, for each KiB of certificates; slow keys cost about as much. */
const estimatedMsPerKib = 5;

/** A ClientHello with a hybrid key share, a usual chain and a signature fit into this. */
const usualBytes = 4_096;

export interface HandshakeChargeOptions {
  readonly raw: Socket;
  readonly remoteAddress: string;
  readonly budget: HandshakeBudget;
  readonly limits: Limits;
}

/** One handshake, and what its network pays if it fails. */
export class HandshakeCharge {
  /** Absent where OpenSSL reads the socket itself. */
  readonly meter: MeteredStream | undefined;
  readonly #options: HandshakeChargeOptions;
  #certificateBytes: number | undefined;
  #isPaid = false;
  #isOver = false;
  #heldMs = 0;

  private constructor(options: HandshakeChargeOptions, mostBytes: number | undefined) {
    const { raw, budget, remoteAddress } = options;
    this.#options = options;
    if (mostBytes === undefined) {
      budget.beginDirect(remoteAddress);
      return;
    }
    this.meter = new MeteredStream(raw, {
      mostBytes,
      mayGoOn: () => !budget.isSpent(remoteAddress, this.#heldMs),
      onCost: (costMs) => this.#hold(costMs),
    });
  }

  /** Undefined when the network has nothing left to pay with. */
  static begin(options: HandshakeChargeOptions): HandshakeCharge | undefined {
    const { budget, limits, remoteAddress } = options;
    const terms = budget.termsFor(remoteAddress);
    switch (terms) {
      case 'refused':
        return undefined;
      case 'direct':
        return new HandshakeCharge(options, undefined);
      case 'metered':
        return new HandshakeCharge(options, limits.handshakeBytes);
      case 'metered-closely':
        return new HandshakeCharge(options, limits.handshakeBytesInNeed);
      default:
        return terms satisfies never;
    }
  }

  /** The handshake is over; what follows from the client is no part of it. */
  finish(presented: readonly Buffer[]): void {
    this.#end();
    // No more of a long chain has been looked at; then all that came counts.
    if (presented.length >= this.#options.limits.chainCertificates) return;
    this.#certificateBytes = presented.reduce((sum, { length }) => sum + length, 0);
  }

  /** The peer was admitted: its network is no stranger any more. */
  waive(): void {
    this.#options.budget.prove(this.#options.remoteAddress);
  }

  /** The handshake failed, or its peer is refused. Counts once. */
  pay(): void {
    if (this.#isPaid) return;
    this.#isPaid = true;
    this.#end();
    this.#options.budget.charge(this.#options.remoteAddress, this.meter?.cpuMs ?? this.#estimateMs());
  }

  /** Who sends chains over many connections at once, and ends no handshake, must not wait for its deadline to pay. */
  #hold(costMs: number): void {
    if (this.#isOver) return;
    this.#heldMs += costMs;
    this.#options.budget.hold(this.#options.remoteAddress, costMs);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { budget, remoteAddress } = this.#options;
    if (this.meter === undefined) budget.endDirect(remoteAddress);
    else budget.giveBack(remoteAddress, this.#heldMs);
  }

  #estimateMs(): number {
    // Of an unfinished handshake the certificates are not known, only what came at all.
    const bytes = this.#certificateBytes ?? this.#options.raw.bytesRead - usualBytes;
    return (Math.max(0, bytes) / 1024) * estimatedMsPerKib;
  }
}
