import { backOffMs } from '@sallyport/concurrency';
import { asError, SideFault } from './bridge-fault.js';
import type { BridgeClock, BridgeLimits, BridgeRules, BridgeSide, ConnectTerms } from './bridge-types.js';
import { BrokerConnection, type BrokerConnectionHandler } from './broker-connection.js';
import { openStream } from './connect-sides.js';
import { pauseUntil } from './pause-until.js';
import type { Subscriptions } from './subscriptions.js';

export interface LocalSessionOptions {
  readonly side: BridgeSide;
  readonly subscriptions: Subscriptions;
  readonly limits: BridgeLimits;
  readonly clock: BridgeClock;
  readonly rules: () => BridgeRules;
  /** The session is there, with the subscriptions. */
  readonly onKept: () => void;
  /** The local broker does not let the session be. It is tried again. */
  readonly onFault: (fault: SideFault) => void;
}

interface Keeping {
  /** Ends when the remote broker is there. What is under way with the local one is finished. */
  readonly ending: AbortController;
  readonly done: Promise<void>;
}

// A remote broker that answers sooner needs no second connection to the local one.
const graceMs = 1_000;

/** Takes nothing: what is not acknowledged stays with the broker. */
const deaf: BrokerConnectionHandler = {
  turn: () => undefined,
  published: () => undefined,
  acknowledged: () => undefined,
  drained: () => undefined,
};

/**
 * Keeps the session of the bridge at the local broker subscribed while the remote broker cannot be reached, so that what
 * is published meanwhile waits there.
 *
 * It connects, subscribes, and goes. It comes back after changed rules, and now and then, because a broker that was
 * started again may have lost the session.
 */
export class LocalSession {
  private keeping: Keeping | undefined;
  private hurry = new AbortController();
  private waiting: (() => void)[] = [];
  private failures = 0;
  /** When the session was last seen. */
  private seenAtMs: number | undefined;

  constructor(private readonly options: LocalSessionOptions) {}

  /** The bridge was connected to the local broker until now. */
  noteSeen(): void {
    this.seenAtMs = this.options.clock.nowMs();
  }

  /** The local broker ended the connection, so it may have lost the session. */
  noteLost(): void {
    this.seenAtMs = undefined;
  }

  /** @param signal ends it at once */
  start(signal: AbortSignal): void {
    if (this.keeping !== undefined || this.options.side.terms().isClean) return;
    const ending = new AbortController();
    this.hurry = new AbortController();
    this.keeping = { ending, done: this.keep(ending.signal, signal) };
  }

  /**
   * The remote broker cannot be reached, or the rules are others: does not wait any longer.
   *
   * @returns when it has tried to subscribe
   */
  hasten(): Promise<void> {
    this.hurry.abort();
    if (this.keeping === undefined) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** @returns when it does not use the session any more */
  async end(): Promise<void> {
    this.keeping?.ending.abort();
    await this.keeping?.done;
    this.keeping = undefined;
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private async keep(ending: AbortSignal, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([ending, signal]);
    await this.pause(graceMs, either);
    while (!either.aborted) {
      // What hastens from now on is not in this round.
      this.hurry = new AbortController();
      const waiting = this.waiting.splice(0);
      if (!this.isKept) await this.visit(signal);
      for (const resolve of waiting) resolve();
      await this.pause(this.pauseMs, either);
    }
  }

  private get isKept(): boolean {
    const { clock, limits, subscriptions, rules } = this.options;
    const isRecent = this.seenAtMs !== undefined && clock.nowMs() - this.seenAtMs < limits.localCheckMs;
    return isRecent && subscriptions.isExactly(rules().filters('local'));
  }

  private get pauseMs(): number {
    const { backOff, localCheckMs } = this.options.limits;
    return this.failures === 0 ? localCheckMs : Math.min(localCheckMs, backOffMs(this.failures, backOff));
  }

  private async visit(signal: AbortSignal): Promise<void> {
    try {
      await this.subscribe(signal);
      this.failures = 0;
      this.noteSeen();
      this.options.onKept();
    } catch (error) {
      this.failures += 1;
      this.noteLost();
      if (!signal.aborted) this.options.onFault(new SideFault('local', asError(error)));
    }
  }

  private async subscribe(signal: AbortSignal): Promise<void> {
    const { side, subscriptions, limits, clock, rules } = this.options;
    const stream = await openStream(side, { limits, clock, signal });
    const destroy = (): void => void stream.destroy();
    signal.addEventListener('abort', destroy);
    try {
      const terms = withoutWill(side.terms());
      const connection = new BrokerConnection({ stream, terms, limits, clock, receiveMaximum: 1 });
      const { isResumed } = await connection.connect();
      if (!isResumed) subscriptions.forget();
      connection.start(deaf);
      await subscriptions.becomeUnheard(rules().filters('local'), connection);
      await this.leave(connection);
    } finally {
      signal.removeEventListener('abort', destroy);
      stream.destroy();
    }
  }

  private async leave(connection: BrokerConnection): Promise<void> {
    if (connection.isOver) throw await connection.ended;
    await connection.end();
  }

  private pause(pauseMs: number, signal: AbortSignal): Promise<void> {
    return pauseUntil(this.options.clock, pauseMs, AbortSignal.any([signal, this.hurry.signal]));
  }
}

/** The will is about a bridge that is up. */
function withoutWill({ will: _will, greetings: _greetings, ...terms }: ConnectTerms): ConnectTerms {
  return terms;
}
