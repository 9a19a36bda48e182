import { backOffMs } from '@sallyport/concurrency';
import { BridgeCounters } from './bridge-counters.js';
import { SideFault } from './bridge-fault.js';
import { defaultLimits } from './bridge-limits.js';
import type {
  BridgeClock,
  BridgeFigures,
  BridgeLimits,
  BridgeNotice,
  BridgeOptions,
  BridgeRules,
  BridgeState,
  Direction,
  DirectionFigures,
  SideName,
  SideState,
} from './bridge-types.js';
import { type ConnectedSides, connectSides } from './connect-sides.js';
import { Crossing } from './crossing.js';
import { EchoFilter } from './echo-filter.js';
import { LocalSession } from './local-session.js';
import { pauseUntil } from './pause-until.js';
import { Subscriptions } from './subscriptions.js';
import { systemClock } from './system-clock.js';

const sides = ['local', 'remote'] as const;
// A refused connection of a whole fleet must not come back at the same moment.
const jitter = 0.5;
const nothingUnderWay = { inFlight: 0, held: 0, heldBytes: 0, oldestUnacknowledgedMs: 0 };

/**
 * Forwards messages between two brokers by rules, and loses none of QoS 1.
 *
 * Both sides are connected, or none: when one goes, the other is dropped without a goodbye, so that its broker keeps
 * what was not acknowledged and sends it again later. The bridge itself stores nothing. Duplicates are possible, at
 * most as many as are in flight.
 *
 * ```ts
 * const bridge = new Bridge({ local, remote, rules, deadLetterPrefix: 'te/bridge/c8y/dead-letter/' });
 * bridge.start();
 * ```
 */
export class Bridge {
  private readonly limits: BridgeLimits;
  private readonly clock: BridgeClock;
  private readonly counters = new BridgeCounters();
  private readonly subscriptions: Readonly<Record<SideName, Subscriptions>>;
  private readonly echoes: Readonly<Record<SideName, EchoFilter>>;
  private readonly localSession: LocalSession;
  private readonly failures: Record<SideName, number> = { local: 0, remote: 0 };
  private readonly sideStates: Record<SideName, SideState> = {
    local: { status: 'stopped' },
    remote: { status: 'stopped' },
  };
  private readonly isOpen: Record<SideName, boolean> = { local: false, remote: false };
  private rules: BridgeRules;
  private crossing: Crossing | undefined;
  private stopping: AbortController | undefined;
  private running: Promise<void> = Promise.resolve();

  constructor(private readonly options: BridgeOptions) {
    this.limits = { ...defaultLimits, ...options.limits };
    this.clock = options.clock ?? systemClock;
    this.rules = options.rules;
    const { limits, clock, onNotice } = this;
    this.subscriptions = {
      local: new Subscriptions({ side: 'local', limits, clock, onNotice }),
      remote: new Subscriptions({ side: 'remote', limits, clock, onNotice }),
    };
    this.localSession = new LocalSession({
      side: options.local,
      subscriptions: this.subscriptions.local,
      limits,
      clock,
      rules: () => this.rules,
      onKept: () => this.show('local', this.sideStates.local),
      onFault: ({ message: failure, cause }) => this.show('local', { status: 'waiting', failure, cause }),
    });
    this.echoes = { local: new EchoFilter(limits.echoMs), remote: new EchoFilter(limits.echoMs) };
  }

  get state(): BridgeState {
    const { local, remote } = this.sideStates;
    const isUp = sides.every((side) => this.sideStates[side].status === 'connected' && this.isOpen[side]);
    const isSubscribed = this.subscriptions.local.isExactly(this.rules.filters('local'));
    return { status: isUp ? 'up' : 'down', isSubscribed, local, remote };
  }

  get figures(): BridgeFigures {
    return {
      rules: this.counters.rules(),
      directions: { outbound: this.figuresOf('outbound'), inbound: this.figuresOf('inbound') },
      connections: { ...this.counters.connections },
    };
  }

  /** Connects, and stays connected until `stop`. */
  start(): void {
    if (this.stopping !== undefined) return;
    const stopping = new AbortController();
    this.stopping = stopping;
    this.running = this.run(stopping.signal);
  }

  /** Takes no more messages, waits for those in flight, and disconnects. The brokers keep the sessions. */
  async stop(): Promise<void> {
    this.stopping?.abort();
    await this.crossing?.stop();
    await this.running;
    this.stopping = undefined;
    this.showAll(() => ({ status: 'stopped' }));
  }

  /**
   * From the next message on, the new rules are in force. What is in flight is not touched.
   *
   * @returns when both brokers have confirmed the changed subscriptions; while the remote one is away, when the local one
   *   has, or cannot be reached
   */
  async replaceRules(rules: BridgeRules): Promise<void> {
    this.rules = rules;
    const kept = this.localSession.hasten();
    await (this.crossing?.useRules(rules) ?? kept);
  }

  private async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.localSession.start(signal);
      const fault = await this.connectOnce(signal);
      if (signal.aborted) break;
      // A local broker that is away is no reason to hurry to it.
      if (fault.side === 'remote') void this.localSession.hasten();
      this.failures[fault.side] += 1;
      const retryInMs = this.waitMsAfter(fault.side);
      const { message: failure, cause } = fault;
      this.showAll((side) => ({ status: 'waiting', retryInMs, ...(side === fault.side ? { failure, cause } : {}) }));
      await pauseUntil(this.clock, retryInMs, signal);
    }
    await this.localSession.end();
  }

  /** Connects, and forwards until one side ends. */
  private async connectOnce(signal: AbortSignal): Promise<SideFault> {
    for (const side of sides) this.isOpen[side] = false;
    this.showAll(() => ({ status: 'connecting' }));
    try {
      const { clock, limits, options } = this;
      const onConnected = (side: SideName): void => this.connected(side);
      const beforeLocal = (): Promise<void> => this.localSession.end();
      const given = { ...options, clock, limits, signal, onConnected, beforeLocal };
      return await this.cross(await connectSides(given), signal);
    } catch (error) {
      if (error instanceof SideFault) return error;
      throw error;
    } finally {
      this.crossing = undefined;
    }
  }

  private async cross(connections: ConnectedSides, signal: AbortSignal): Promise<SideFault> {
    const { clock, limits } = this;
    const crossing = this.crossingOver(connections);
    this.crossing = crossing;
    crossing.start();
    const cancel = clock.after(limits.resetWindowMs, () => {
      this.failures.local = 0;
      this.failures.remote = 0;
    });
    if (signal.aborted) await crossing.stop();
    const fault = await crossing.ended;
    cancel();
    if (fault.side === 'local') this.localSession.noteLost();
    else this.localSession.noteSeen();
    return fault;
  }

  private crossingOver(connections: ConnectedSides): Crossing {
    const { clock, limits, rules, counters, subscriptions, echoes, onNotice } = this;
    const { local, remote, deadLetterPrefix } = this.options;
    const onOpen = (side: SideName): void => {
      this.isOpen[side] = true;
      this.show(side, this.sideStates[side]);
    };
    const given = { local, remote, deadLetterPrefix, rules, limits, clock };
    return new Crossing({ ...given, connections, counters, subscriptions, echoes, onNotice, onOpen });
  }

  private readonly onNotice = (notice: BridgeNotice): void => this.options.onNotice?.(notice);

  private connected(side: SideName): void {
    this.counters.connections[side] += 1;
    this.show(side, { status: 'connected' });
  }

  private show(side: SideName, state: SideState): void {
    this.sideStates[side] = state;
    this.options.onState?.(this.state);
  }

  private showAll(stateOf: (side: SideName) => SideState): void {
    for (const side of sides) this.sideStates[side] = stateOf(side);
    this.options.onState?.(this.state);
  }

  private figuresOf(direction: Direction): DirectionFigures {
    const { counters, crossing } = this;
    return {
      ...(crossing?.figures(direction) ?? nothingUnderWay),
      unmapped: counters.unmapped(direction),
      stalls: counters.stalls[direction],
    };
  }

  private waitMsAfter(side: SideName): number {
    const { random = Math.random } = this.options;
    const waitMs = backOffMs(this.failures[side], this.limits.backOff);
    return Math.round(waitMs * (1 - jitter + 2 * jitter * random()));
  }
}
