import type { BridgeCounters } from './bridge-counters.js';
import { asError, SideFault } from './bridge-fault.js';
import type {
  BridgeClock,
  BridgeLimits,
  BridgeNotice,
  BridgeRules,
  BridgeSide,
  Direction,
  DirectionFigures,
  SideName,
} from './bridge-types.js';
import type { BrokerConnectionHandler } from './broker-connection.js';
import type { ConnectedSides } from './connect-sides.js';
import { Destination } from './destination.js';
import type { EchoFilter } from './echo-filter.js';
import { type DeadLetter, Forwarder } from './forwarder.js';
import { ReadingTurns } from './reading-turns.js';
import type { Subscriptions } from './subscriptions.js';
import { TopicRoutes } from './topic-routes.js';
import { Watchdog } from './watchdog.js';

export interface CrossingOptions {
  readonly connections: ConnectedSides;
  readonly local: BridgeSide;
  readonly remote: BridgeSide;
  readonly rules: BridgeRules;
  readonly deadLetterPrefix: string;
  readonly limits: BridgeLimits;
  readonly clock: BridgeClock;
  readonly counters: BridgeCounters;
  readonly subscriptions: Readonly<Record<SideName, Subscriptions>>;
  /** Echoes that each broker may send. */
  readonly echoes: Readonly<Record<SideName, EchoFilter>>;
  readonly onNotice: (notice: BridgeNotice) => void;
  /** Messages may go to this side from now on. Called again when a session that was kept has all subscriptions. */
  readonly onOpen: (side: SideName) => void;
}

const sides = ['local', 'remote'] as const;
const mostTopicBytes = 65_535;
const manyUnderWay = 128;

/** Both directions of a bridge while both brokers are connected. With the first connection that ends, all end. */
export class Crossing {
  /** Resolves when it is over, to the side that ended it. */
  readonly ended: Promise<SideFault>;
  private readonly destinations: Readonly<Record<SideName, readonly Destination[]>>;
  private readonly outbound: Forwarder;
  private readonly inbound: Forwarder;
  private readonly watchdog: Watchdog;
  private isStopping = false;

  constructor(private readonly options: CrossingOptions) {
    const { local, remote, egress } = options.connections;
    const { limits } = options;
    const most = (side: BridgeSide): number => side.largestPublishBytes ?? Number.POSITIVE_INFINITY;
    this.destinations = {
      local: [new Destination(local, limits, most(options.local))],
      remote: [remote, ...egress].map((connection) => new Destination(connection, limits, most(options.remote))),
    };
    for (const connection of [local, remote, ...egress]) connection.output.isPatient = () => this.isBusy;
    const turns = new ReadingTurns();
    this.outbound = this.forwarder('outbound', turns);
    this.inbound = this.forwarder('inbound', turns);
    this.watchdog = new Watchdog({ ...options, forwarders: [this.outbound, this.inbound] });
    const remotes = [remote, ...egress].map(async (connection) => new SideFault('remote', await connection.ended));
    const locally = local.ended.then((fault) => new SideFault('local', fault));
    this.ended = Promise.race([locally, ...remotes]).then((fault) => this.endAll(fault));
  }

  /** Greets both brokers, subscribes, and begins to forward. */
  start(): void {
    const { connections, onNotice } = this.options;
    const { local, remote, egress } = connections;
    local.start(this.handler(this.outbound, this.inbound, this.destinations.local));
    remote.start(this.handler(this.inbound, this.outbound, this.destinations.remote));
    for (const [index, connection] of egress.entries())
      connection.start(this.handler(undefined, this.outbound, this.destinations.remote.slice(index + 1)));
    this.watchdog.start();
    for (const side of sides) {
      if (connections[side].peer.highestQos === 0) onNotice({ kind: 'delivery-not-promised', side });
      this.greet(side);
      this.openGate(side);
    }
  }

  figures(direction: Direction): Pick<DirectionFigures, 'inFlight' | 'held' | 'heldBytes' | 'oldestUnacknowledgedMs'> {
    return this[direction].figures;
  }

  /** From the next message on. Resolves when both brokers have answered. */
  async useRules(rules: BridgeRules): Promise<void> {
    this.outbound.useRoutes(this.routes('outbound', rules));
    this.inbound.useRoutes(this.routes('inbound', rules));
    await Promise.all(sides.map((side) => this.subscribe(side, rules)));
  }

  /** Waits for what is in flight, then says goodbye. */
  async stop(): Promise<void> {
    const { clock, limits, connections } = this.options;
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => {
      cancel = clock.after(limits.drainMs, resolve);
    });
    await Promise.race([Promise.all([this.outbound.drain(), this.inbound.drain()]), late, this.ended]);
    cancel();
    this.isStopping = true;
    const { local, remote, egress } = connections;
    await Promise.all([local, remote, ...egress].map((connection) => connection.end()));
  }

  /** With so many messages under way, a millisecond more for each costs no throughput. */
  private get isBusy(): boolean {
    return this.outbound.underWay + this.inbound.underWay >= manyUnderWay;
  }

  private endAll(fault: SideFault): SideFault {
    this.watchdog.stop();
    // When the bridge stops, each side says goodbye itself.
    if (this.isStopping) return fault;
    const { local, remote, egress } = this.options.connections;
    for (const connection of [local, remote, ...egress])
      connection.fail(new Error('The other side of the bridge ended.', { cause: fault }));
    return fault;
  }

  private forwarder(direction: Direction, turns: ReadingTurns): Forwarder {
    const { connections, echoes, rules } = this.options;
    const [from, to] = direction === 'outbound' ? (['local', 'remote'] as const) : (['remote', 'local'] as const);
    return new Forwarder({
      ...this.options,
      direction,
      source: connections[from],
      destinations: this.destinations[to],
      routes: this.routes(direction, rules),
      echoes: echoes[from],
      provokedEchoes: echoes[to],
      turns,
      deadLetter: (message) => this.bury(message),
    });
  }

  private routes(direction: Direction, rules: BridgeRules): TopicRoutes {
    return new TopicRoutes(direction, rules, (rule) => this.options.counters.of(direction, rule));
  }

  /**
   * @param taking the direction whose source this is
   * @param giving the direction whose destination this is
   */
  private handler(
    taking: Forwarder | undefined,
    giving: Forwarder,
    [destination]: readonly Destination[],
  ): BrokerConnectionHandler {
    if (destination === undefined) throw new Error('A connection of a bridge is a destination.');
    return {
      turn: () => {
        taking?.turn();
        giving.turn();
      },
      // A connection that only publishes has subscribed to nothing.
      published: (view) => taking?.take(view),
      acknowledged: (packetId, reasonCode) => giving.acknowledged(destination, packetId, reasonCode),
      drained: () => giving.pump(),
    };
  }

  private greet(side: SideName): void {
    const { connections, onNotice } = this.options;
    const { requests, peer } = connections[side];
    for (const greeting of this.options[side].terms().greetings ?? [])
      requests
        .publish({ ...greeting, retain: greeting.retain && peer.takesRetained })
        .then((reasonCode) => {
          if (reasonCode >= 0x80) onNotice({ kind: 'greeting-refused', side, topic: greeting.topic, reasonCode });
        })
        .catch((error: unknown) => connections[side].fail(asError(error)));
  }

  /** Lets messages go to a broker as soon as their answers cannot be missed. */
  private openGate(side: SideName): void {
    const { connections, subscriptions, rules } = this.options;
    const { isResumed } = connections[side].peer;
    if (!isResumed) subscriptions[side].forget();
    const confirmed = this.subscribe(side, rules);
    // A session that the broker has kept misses nothing.
    if (isResumed) this.open(side);
    const opened = confirmed.then(() => {
      if (connections[side].isOver) return;
      if (isResumed) this.options.onOpen(side);
      else this.open(side);
    });
    opened.catch((error: unknown) => connections[side].fail(asError(error)));
  }

  private open(side: SideName): void {
    for (const destination of this.destinations[side]) destination.isOpen = true;
    if (side === 'remote') this.outbound.pump();
    else this.inbound.pump();
    this.options.onOpen(side);
  }

  private subscribe(side: SideName, rules: BridgeRules): Promise<void> {
    return this.options.subscriptions[side].become(rules.filters(side), this.options.connections[side]);
  }

  private async bury({ topic, payload }: DeadLetter): Promise<void> {
    const { deadLetterPrefix, connections } = this.options;
    const wanted = `${deadLetterPrefix}${topic.toString()}`;
    const isWritable = Buffer.byteLength(wanted) <= mostTopicBytes;
    const target = isWritable ? wanted : `${deadLetterPrefix}topic-too-long`;
    const reasonCode = await connections.local.requests.publish({ topic: target, payload, retain: false });
    if (reasonCode >= 0x80)
      throw new SideFault('local', new Error(`The local broker refused the dead letter ${target}.`));
  }
}
