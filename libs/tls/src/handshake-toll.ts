import type { Socket } from 'node:net';
import type { HandshakeBudget } from './handshake-budget.js';
import type { Limits } from './limits.js';
import { MeteredStream } from './metered-stream.js';

/** What a handshake costs that nobody measured, for each KiB of certificates; slow keys cost about as much. */
const estimatedMsPerKib = 5;

/** A ClientHello with a hybrid key share, a usual chain and a signature fit into this. */
const usualBytes = 4_096;

export interface TollOptions {
  readonly raw: Socket;
  readonly remoteAddress: string;
  readonly budget: HandshakeBudget;
  readonly limits: Limits;
}

/** One handshake, and what its network pays if it fails. */
export class HandshakeToll {
  /** Absent where OpenSSL reads the socket itself. */
  readonly meter: MeteredStream | undefined;
  readonly #options: TollOptions;
  #certificateBytes: number | undefined;
  #isPaid = false;

  private constructor(options: TollOptions, mostBytes: number | undefined) {
    this.#options = options;
    this.meter = mostBytes === undefined ? undefined : new MeteredStream(options.raw, mostBytes);
  }

  /** Undefined when the network has nothing left to pay with. */
  static begin(options: TollOptions): HandshakeToll | undefined {
    const { budget, limits, remoteAddress } = options;
    const terms = budget.termsFor(remoteAddress);
    switch (terms) {
      case 'refused':
        return undefined;
      case 'direct':
        return new HandshakeToll(options, undefined);
      case 'metered':
        return new HandshakeToll(options, limits.handshakeBytes);
      case 'metered-closely':
        return new HandshakeToll(options, limits.handshakeBytesInNeed);
      default:
        return terms satisfies never;
    }
  }

  /** The handshake is over; what follows from the client is no part of it. */
  finish(presented: readonly Buffer[]): void {
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
    this.#options.budget.charge(this.#options.remoteAddress, this.meter?.cpuMs ?? this.#estimateMs());
  }

  #estimateMs(): number {
    // Of an unfinished handshake the certificates are not known, only what came at all.
    const bytes = this.#certificateBytes ?? this.#options.raw.bytesRead - usualBytes;
    return (Math.max(0, bytes) / 1024) * estimatedMsPerKib;
  }
}
