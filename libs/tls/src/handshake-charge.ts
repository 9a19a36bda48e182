import type { Socket } from 'node:net';
import { chargeableMs, type HandshakeBudget } from './handshake-budget.js';
import type { Limits } from './limits.js';
import { MeteredStream } from './metered-stream.js';

/** Estimated cost of an unmeasured handshake for each KiB of certificates. Slow keys cost about this much. */
const estimatedMsPerKib = 5;

/** Enough for a ClientHello with a hybrid key share, a usual chain and a signature. */
const usualBytes = 4_096;

export interface HandshakeChargeOptions {
  readonly raw: Socket;
  readonly remoteAddress: string;
  readonly budget: HandshakeBudget;
  readonly limits: Limits;
  /** As `MeterOptions.cpuClockMs`. */
  readonly cpuClockMs?: () => number;
}

/** The cost of one handshake. Its network pays when the handshake fails or its peer is refused. */
export class HandshakeCharge {
  /** Absent when OpenSSL reads the socket itself. */
  readonly meter: MeteredStream | undefined;
  private readonly options: HandshakeChargeOptions;
  private certificateBytes: number | undefined;
  private isPaid = false;
  private isOver = false;
  private spentMs = 0;
  private heldMs = 0;

  private constructor(options: HandshakeChargeOptions, mostBytes: number | undefined) {
    const { raw, budget, remoteAddress } = options;
    this.options = options;
    if (mostBytes === undefined) {
      budget.beginDirect(remoteAddress);
      return;
    }
    this.meter = new MeteredStream(raw, {
      mostBytes,
      mayGoOn: () => !budget.isSpent(remoteAddress, this.heldMs),
      onCost: (costMs) => this.hold(costMs),
      cpuClockMs: options.cpuClockMs,
    });
  }

  /** Undefined when the network has no budget left. */
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

  /** The handshake is over. What the client sends from now on does not count. */
  finish(presented: readonly Buffer[]): void {
    this.end();
    // We read no further in a chain this long, so we do not know its size. Then all bytes received count.
    if (presented.length >= this.options.limits.chainCertificates) return;
    this.certificateBytes = presented.reduce((sum, { length }) => sum + length, 0);
  }

  /** The peer was admitted, so its network is known from now on. */
  waive(): void {
    this.options.budget.prove(this.options.remoteAddress);
  }

  /** The handshake failed, or its peer is refused. Further calls do nothing. */
  pay(): void {
    if (this.isPaid) return;
    this.isPaid = true;
    this.end();
    this.options.budget.charge(this.options.remoteAddress, this.meter?.cpuMs ?? this.estimateMs());
  }

  /**
   * Reserves the cost while the handshake runs. Otherwise a client could send chains over many connections, finish
   * none, and pay only at the deadline. Usual ones cost nothing here either: a whole site may come at once.
   */
  private hold(costMs: number): void {
    if (this.isOver) return;
    this.spentMs += costMs;
    const { budget, remoteAddress } = this.options;
    const heldMs = chargeableMs(this.spentMs);
    budget.hold(remoteAddress, heldMs - this.heldMs);
    this.heldMs = heldMs;
  }

  private end(): void {
    if (this.isOver) return;
    this.isOver = true;
    const { budget, remoteAddress } = this.options;
    if (this.meter === undefined) budget.endDirect(remoteAddress);
    else budget.giveBack(remoteAddress, this.heldMs);
  }

  private estimateMs(): number {
    // In an unfinished handshake we do not know the certificates, only how many bytes came.
    const bytes = this.certificateBytes ?? this.options.raw.bytesRead - usualBytes;
    return (Math.max(0, bytes) / 1024) * estimatedMsPerKib;
  }
}
