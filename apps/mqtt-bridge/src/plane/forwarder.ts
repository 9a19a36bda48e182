import { PublishView, protocolError, reasonCodes } from '@sallyport/mqtt-wire';
import { asError, wordsOf } from './bridge-fault.js';
import type {
  BridgeClock,
  BridgeLimits,
  BridgeNotice,
  Direction,
  DirectionFigures,
  DropReason,
} from './bridge-types.js';
import type { BrokerConnection } from './broker-connection.js';
import type { Destination } from './destination.js';
import type { EchoFilter, EchoMessage } from './echo-filter.js';
import { FlightRing } from './flight-ring.js';
import { HeldMessages } from './held-messages.js';
import type { ReadingTurns } from './reading-turns.js';
import type { TopicRoute, TopicRoutes } from './topic-routes.js';

export interface ForwarderOptions {
  readonly direction: Direction;
  readonly source: BrokerConnection;
  /** More than one: a topic always takes the same. */
  readonly destinations: readonly Destination[];
  readonly routes: TopicRoutes;
  /** Echoes that the source may send of what the other direction has published there. */
  readonly echoes: EchoFilter;
  /** Echoes that the destination will send of what this direction publishes. */
  readonly provokedEchoes: EchoFilter;
  readonly turns: ReadingTurns;
  readonly limits: BridgeLimits;
  readonly clock: BridgeClock;
  readonly onNotice: (notice: BridgeNotice) => void;
  /** Resolves when the local broker has the dead letter; else rejects. */
  readonly deadLetter: (message: DeadLetter) => Promise<void>;
}

export interface DeadLetter {
  /** Of the source, as UTF-8. */
  readonly topic: Buffer;
  readonly payload: Buffer;
}

// MQTT 5.0 §2.1.2: packet types, in the upper four bits of the first byte.
const [puback, pubrec] = [0x40, 0x50];

/** Trying again cannot help: the message itself is refused. */
const finalReasons: ReadonlySet<number> = new Set([
  reasonCodes.notAuthorized,
  reasonCodes.topicNameInvalid,
  reasonCodes.payloadFormatInvalid,
  reasonCodes.packetTooLarge,
]);

/**
 * One direction of a bridge, as long as both brokers are connected: source, rules, ring, destination.
 *
 * A message of QoS 1 is acknowledged to its source when its destination has acknowledged it. Nothing is stored: when a
 * connection ends, the source still has every message that was not acknowledged, and sends it again.
 */
export class Forwarder {
  private readonly ring: FlightRing;
  private readonly held = new HeldMessages();
  private readonly heldView: PublishView;
  /** Packet identifiers of the source that are not acknowledged. */
  private readonly claimed = new Uint8Array(65_536);
  private routes: TopicRoutes;
  private nowMs: number;
  private isDraining = false;
  private onIdle = (): void => undefined;

  constructor(private readonly options: ForwarderOptions) {
    const { source, destinations, routes, limits, clock } = options;
    this.ring = new FlightRing(limits.windowMessages * destinations.length);
    this.heldView = new PublishView(source.version);
    this.routes = routes;
    this.nowMs = clock.nowMs();
  }

  get figures(): Pick<DirectionFigures, 'inFlight' | 'held' | 'heldBytes' | 'oldestUnacknowledgedMs'> {
    const { oldestSentAt, inFlight } = this.ring;
    const oldestUnacknowledgedMs = oldestSentAt === undefined ? 0 : this.options.clock.nowMs() - oldestSentAt;
    return { inFlight, held: this.held.length, heldBytes: this.held.bytes, oldestUnacknowledgedMs };
  }

  /** Messages that are not acknowledged to their source. */
  get underWay(): number {
    return this.ring.length;
  }

  get direction(): Direction {
    return this.options.direction;
  }

  /**
   * For how long the oldest message of a live connection has been unacknowledged. The time in which the way to the broker
   * was slow but moved does not count, unless the broker has acknowledged a later message.
   */
  stalledMs(): number {
    const nowMs = this.options.clock.nowMs();
    const { oldestSentAt, isOvertaken } = this.ring;
    for (const destination of this.options.destinations) destination.observe(nowMs);
    // A destination that is not read may have acknowledged everything.
    const isUnheard = this.options.destinations.some(({ connection }) => connection.isOver || connection.isPaused);
    if (oldestSentAt === undefined || isUnheard) return 0;
    const moving = Math.max(...this.options.destinations.map(({ movedAtMs }) => movedAtMs));
    return nowMs - (isOvertaken ? oldestSentAt : Math.max(oldestSentAt, moving));
  }

  failDestinations(fault: Error): void {
    for (const { connection } of this.options.destinations) connection.fail(fault);
  }

  /** From the next message on. */
  useRoutes(routes: TopicRoutes): void {
    this.routes = routes;
  }

  /**
   * Takes no more messages: they stay with their source.
   *
   * @returns when what is in flight is acknowledged
   */
  drain(): Promise<void> {
    this.isDraining = true;
    return new Promise((resolve) => {
      this.onIdle = resolve;
      if (this.ring.length === 0) resolve();
    });
  }

  turn(): void {
    this.nowMs = this.options.clock.nowMs();
  }

  /** The source sent a message. */
  take(view: PublishView): void {
    if (this.isRepetition(view)) return;
    if (view.qos > 0) this.claim(view.packetId);
    if (this.isDraining) return;
    if (this.held.length === 0 && this.forward(view, 0)) return;
    this.hold(view);
  }

  /** A destination may take messages again. */
  pump(): void {
    this.turn();
    try {
      this.forwardHeld();
    } catch (error) {
      // The message is at fault, and so its source, not the broker whose packet made room for it.
      this.options.source.fail(asError(error));
    }
  }

  private forwardHeld(): void {
    const { held, heldView } = this;
    for (let message = held.first; message !== undefined; message = held.first) {
      if (this.isDraining) return;
      heldView.aim(message);
      if (!this.forward(heldView, this.nowMs - message.arrivedMs)) break;
      held.dropFirst();
    }
    if (held.bytes < this.options.limits.heldBytes / 2) this.options.turns.resume(this.options.source);
  }

  /** @throws PacketError when the destination was given no message with this identifier */
  acknowledged(destination: Destination, packetId: number, reasonCode: number): void {
    const slot = packetId - 1;
    const { ring } = this;
    if (!ring.isSent(slot) || destination.slots[slot] !== 1)
      throw protocolError(`PUBACK came for ${packetId}, which is not in flight`);
    destination.slots[slot] = 0;
    destination.inFlight -= 1;
    if (slot !== ring.oldestSlot && destination.slots[ring.oldestSlot] === 1) ring.noteOvertaken();
    if (reasonCode < 0x80) this.settle(slot);
    else if (finalReasons.has(reasonCode)) this.bury(slot, destination, reasonCode);
    else destination.connection.fail(new Error(`The broker does not take messages now: ${wordsOf(reasonCode)}.`));
    if (this.held.length > 0) this.pump();
  }

  private settle(slot: number): void {
    const route = this.ring.routeOf(slot);
    if (route !== undefined) route.counters.acknowledged += 1;
    this.finish(slot);
  }

  /** Acknowledges to the source what is done, in order. */
  private finish(slot: number): void {
    const { ring, claimed } = this;
    ring.markDone(slot);
    const { output } = this.options.source;
    while (ring.take()) {
      const at = output.reserve(4);
      const { page } = output;
      page[at] = ring.takenQos === 2 ? pubrec : puback;
      page[at + 1] = 2;
      page[at + 2] = ring.takenId >> 8;
      page[at + 3] = ring.takenId & 0xff;
      claimed[ring.takenId] = 0;
    }
    if (ring.length === 0) this.onIdle();
  }

  /**
   * A broker of MQTT 3.1.1 may send a message again on the same connection when it has waited long for PUBACK. That comes
   * when the first sending is done. MQTT 5.0 §4.4 [MQTT-4.4.0-1] forbids it.
   */
  private isRepetition({ isDuplicate, qos, packetId }: PublishView): boolean {
    return isDuplicate && qos > 0 && this.claimed[packetId] === 1 && this.options.source.version === 4;
  }

  /** @see MQTT 5.0 §2.2.1: an identifier is free again when its message is acknowledged */
  private claim(packetId: number): void {
    if (this.claimed[packetId] === 1) throw protocolError(`packet identifier ${packetId} came again unacknowledged`);
    this.claimed[packetId] = 1;
  }

  private hold(view: PublishView): void {
    const { limits, turns, source } = this.options;
    const isFull = this.held.bytes >= limits.heldBytes;
    if (isFull && view.qos === 0) {
      this.routes.routeOf(view).counters.dropped.congested += 1;
      return;
    }
    this.held.add(view, this.nowMs);
    if (this.held.bytes >= limits.heldBytes) turns.pause(source);
    if (this.held.bytes < limits.mostHeldBytes) return;
    // Only a source that cannot be left unread now comes here. It keeps what was not acknowledged.
    source.fail(new Error(`More than ${limits.mostHeldBytes} bytes of the broker wait for the other side.`));
  }

  /** @returns false when the destination cannot take the message now */
  private forward(view: PublishView, waitedMs: number): boolean {
    if (this.ring.isFull) return false;
    const route = this.routes.routeOf(view);
    if (route.target === undefined) return this.drop(view, route, 'unmapped');
    const destination = this.destinationOf(route);
    if (!destination.canTake(view.qos)) return false;
    if (route.isBidirectional && this.isEcho(view)) return this.drop(view, route, 'echo');
    if (!destination.prepare(view, route.target, waitedMs)) return this.drop(view, route, 'expired');
    if (destination.length > destination.largestPublishBytes) return this.dropTooLarge(view, route, destination);
    this.send(view, route, destination);
    if (route.isBidirectional && destination.sendsEchoes) this.provoke(view, route.target, destination.qos);
    return true;
  }

  private destinationOf({ hash }: TopicRoute): Destination {
    const { destinations } = this.options;
    const destination = destinations[destinations.length === 1 ? 0 : hash % destinations.length];
    if (destination === undefined) throw new Error('A bridge needs a destination.');
    return destination;
  }

  private send(view: PublishView, route: TopicRoute, destination: Destination): void {
    const { counters } = route;
    counters.forwarded += 1;
    counters.bytes += destination.length;
    if (view.isDuplicate) counters.redelivered += 1;
    if (view.qos === 0) {
      destination.write(0);
      return;
    }
    const slot = this.ring.add(view.packetId, view.qos, this.nowMs);
    destination.write(slot + 1);
    // A destination without QoS 1 (Maximum QoS 0) acknowledges nothing, so there is nothing to wait for.
    if (destination.qos === 0) this.finish(slot);
    else this.fly(slot, route, destination);
  }

  private fly(slot: number, route: TopicRoute, destination: Destination): void {
    this.ring.keep(slot, route, destination);
    destination.slots[slot] = 1;
    destination.inFlight += 1;
  }

  private dropTooLarge(view: PublishView, route: TopicRoute, { length, largestPublishBytes }: Destination): true {
    const { direction, onNotice } = this.options;
    const [topic, bytes, limitBytes] = [route.source.toString(), length, largestPublishBytes];
    onNotice({ kind: 'message-dropped', direction, reason: 'too-large', topic, bytes, limitBytes });
    return this.drop(view, route, 'too-large');
  }

  /** Acknowledges a message that goes nowhere, in its order. */
  private drop(view: PublishView, { counters }: TopicRoute, reason: DropReason): true {
    counters.dropped[reason] += 1;
    if (view.qos > 0) this.finish(this.ring.add(view.packetId, view.qos, this.nowMs));
    return true;
  }

  private isEcho(view: PublishView): boolean {
    const topic = view.bytes.subarray(view.topicStart, view.topicEnd);
    const { qos, isRetained } = view;
    return this.options.echoes.takes({ topic, qos, isRetained, payload: payloadOf(view) }, this.nowMs);
  }

  private provoke(view: PublishView, topic: Buffer, qos: number): void {
    // MQTT 3.1.1 §3.3.1.3: what comes to a subscription that exists has no retain flag.
    const echo: EchoMessage = { topic, qos, isRetained: false, payload: payloadOf(view) };
    this.options.provokedEchoes.expect(echo, this.nowMs);
  }

  /** A refused message becomes a dead letter, and is acknowledged when the local broker has it. */
  private bury(slot: number, { connection }: Destination, reasonCode: number): void {
    const { ring, options } = this;
    const [route, payload, bytes] = [ring.routeOf(slot), ring.payloadOf(slot), ring.lengthOf(slot)];
    if (route === undefined || payload === undefined) throw new Error('A message in flight has no bytes.');
    ring.markRefused(slot);
    const buried = options.deadLetter({ topic: route.source, payload }).then(() => {
      route.counters.dropped.refused += 1;
      const topic = route.source.toString();
      const { direction } = options;
      options.onNotice({ kind: 'message-dropped', direction, reason: 'refused', topic, bytes, reasonCode });
      this.finish(slot);
      this.pump();
    });
    buried.catch((error: unknown) => {
      connection.fail(new Error('A refused message could not be kept as a dead letter.', { cause: error }));
    });
  }
}

function payloadOf({ bytes, payloadStart, end }: PublishView): Buffer {
  return bytes.subarray(payloadStart, end);
}
