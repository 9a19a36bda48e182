import {
  type Frame,
  markDuplicate,
  type ProtocolVersion,
  pubrelFrame,
  type TurnBudget,
  wholeFrame,
} from '@sallyport/mqtt-wire';
import type { BrokerJournal } from './broker-journal.js';
import { Crowd } from './crowd.js';
import { costOf, Delivery, type DeliveryOptions } from './delivery.js';
import { Fifo } from './fifo.js';
import type { BrokerLimits } from './limits.js';
import { Message } from './message.js';
import { recordTypes } from './records.js';
import type { DueMessage, RetainedBacklog } from './retained-backlog.js';
import type { SessionHolder } from './session.js';
import type { Share } from './share.js';

/** The connection of a session, as its outbox sees it. */
export interface Link {
  readonly version: ProtocolVersion;
  /** QoS 1 and 2 messages that may be unacknowledged at a time. */
  readonly window: number;
  /** Largest packet that the client takes. */
  readonly largestBytes: number;
  /** False while the client does not read fast enough. */
  readonly isWritable: boolean;
  send(frame: Frame, packetId: number): void;
  /** What the owner of the connection may take of a turn; absent for a service. */
  readonly budget: TurnBudget | undefined;
}

export interface OutboxOptions {
  /** Number of the session in the journal; 0 when the session is not kept. */
  readonly session: number;
  readonly limits: BrokerLimits;
  readonly journal: BrokerJournal;
  readonly share: Share;
  /** Retained messages that are sent when nothing else waits. */
  readonly backlog: RetainedBacklog;
  readonly nextMessageId: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The session that publishes. */
interface Publisher {
  readonly owner: string;
  readonly holder: SessionHolder | undefined;
}

/** What became of a message for one session; `all-full`: the room that all clients have together is used up. */
export type OfferOutcome = 'taken' | 'away' | 'full' | 'all-full';

const mostPacketIds = 65_535;

/** How long a retained message waits for room that others have taken, in milliseconds, before it is tried again. */
const retryMs = 1_000;

/** Looking at the clock costs as much as a small message. */
const messagesBetweenLooks = 32;

/**
 * What goes to a client: messages that wait, and those it has not acknowledged, in the order of their publication.
 *
 * A packet identifier belongs to a message from the moment it is queued until its handshake has ended, and over
 * connections and restarts. So no identifier is used for two messages at a time.
 */
export class Outbox {
  private readonly crowd: Crowd;
  /** By packet identifier, in the order of publication. */
  private readonly unacknowledged = new Map<number, Delivery>();
  private readonly waiting = new Fifo<Delivery>();
  private link: Link | undefined;
  private inFlight = 0;
  private lastPacketId = 0;
  private retry: NodeJS.Timeout | undefined;

  constructor(private readonly options: OutboxOptions) {
    this.crowd = new Crowd(options.limits);
  }

  get queuedMessages(): number {
    return this.waiting.length;
  }

  /** Lets a publisher wait that fills the queue of a client that is there and reads. */
  holdIfCrowding({ owner, holder }: Publisher): void {
    if (this.link !== undefined && this.crowd.shouldHold(owner)) holder?.waitFor(this.crowd, owner);
  }

  /**
   * Says whether a message has room, without taking it.
   *
   * @param bytes that it would cost, as `costOf` counts them
   */
  shortageFor(bytes: number): Exclude<OfferOutcome, 'taken' | 'away'> | undefined {
    const { limits, share } = this.options;
    const isFull =
      this.waiting.length >= limits.queuedMessages ||
      this.unacknowledged.size >= mostPacketIds ||
      this.crowd.bytes + bytes > limits.queuedBytes;
    if (isFull) return 'full';
    const shortage = share.shortage('queuedBytes', bytes);
    if (shortage === undefined) return undefined;
    return shortage === 'own' ? 'full' : 'all-full';
  }

  /** Takes a message for the client. A message that has to be kept is written to the journal by the caller. */
  offer(message: Message, options: DeliveryOptions): OfferOutcome {
    if (options.qos === 0) return this.offerOnce(message, options);
    const shortage = this.shortageFor(costOf(message.size, options));
    if (shortage !== undefined) return shortage;
    const delivery = new Delivery(message, this.options.session, this.nextPacketId(), options);
    if (delivery.session !== 0) message.await(delivery);
    this.queue(delivery);
    this.pump();
    return 'taken';
  }

  /** Puts back what the journal kept; in the order of publication. */
  restore(delivery: Delivery): void {
    this.lastPacketId = Math.max(this.lastPacketId, delivery.packetId);
    this.unacknowledged.set(delivery.packetId, delivery);
    this.add(delivery);
    if (delivery.state === 'released') return;
    delivery.isDuplicate = true;
    this.waiting.push(delivery);
  }

  /** Sends again what is not acknowledged [MQTT-4.4.0-1], then what waits. */
  attach(link: Link): void {
    this.link = link;
    for (const delivery of this.unacknowledged.values()) {
      if (delivery.state !== 'released') continue;
      this.inFlight += 1;
      link.send(pubrelFrame, delivery.packetId);
    }
    this.pump();
  }

  /** The client has gone. What it has not acknowledged waits again, in its old order; QoS 0 messages are forgotten. */
  detach(): void {
    this.link = undefined;
    this.crowd.release();
    this.inFlight = 0;
    this.forgetUnsentOnce();
    this.waiting.clear();
    for (const delivery of this.unacknowledged.values()) {
      if (delivery.state === 'released') continue;
      if (delivery.state === 'sent') delivery.isDuplicate = true;
      delivery.state = 'waiting';
      this.waiting.push(delivery);
    }
  }

  /** Sends what may be sent now. */
  pump(): void {
    const { link } = this;
    if (link === undefined) return;
    this.sendWaiting(link);
    this.crowd.releaseRelieved();
  }

  /** The client has read what it was sent, and there is more. */
  drained(): void {
    this.crowd.noteProgress();
    this.pump();
  }

  /** PUBACK. One that fits no message is ignored, as other brokers do. */
  acknowledge(packetId: number): void {
    const delivery = this.unacknowledged.get(packetId);
    if (delivery?.state !== 'sent' || delivery.qos !== 1) return;
    this.remove(delivery);
    this.settle(delivery);
    this.pump();
  }

  /**
   * PUBREC: the client has a QoS 2 message. PUBREL may be sent when this is in the journal.
   *
   * @returns false when there is no such message
   */
  receive(packetId: number): boolean {
    const delivery = this.unacknowledged.get(packetId);
    if (delivery?.qos !== 2 || delivery.state === 'waiting') return false;
    if (delivery.state === 'released') return true;
    delivery.state = 'released';
    if (delivery.session === 0) return true;
    this.options.journal.keep(delivery);
    this.leave(delivery.message);
    return true;
  }

  /** PUBCOMP: a QoS 2 handshake has ended. */
  complete(packetId: number): void {
    const delivery = this.unacknowledged.get(packetId);
    if (delivery?.state !== 'released') return;
    this.remove(delivery);
    if (delivery.session !== 0)
      this.options.journal.endLazily(delivery, (writer) => delivery.writeEnd(writer, recordTypes.completed));
    this.pump();
  }

  /** Ends a delivery that the client refused: PUBREC with an error of MQTT 5. */
  refuse(packetId: number): void {
    const delivery = this.unacknowledged.get(packetId);
    if (delivery?.state !== 'sent') return;
    this.remove(delivery);
    this.settle(delivery);
    this.pump();
  }

  /** Forgets everything: the session has ended, and the journal knows. */
  end(): void {
    this.link = undefined;
    this.crowd.release();
    this.forgetUnsentOnce();
    this.waiting.clear();
    for (const delivery of this.unacknowledged.values()) {
      const wasOpen = delivery.isOpen;
      delivery.state = 'done';
      this.options.journal.forget(delivery);
      if (delivery.session !== 0 && wasOpen) this.leave(delivery.message);
      this.release(delivery);
    }
    this.unacknowledged.clear();
  }

  /** QoS 0: sent at once, or when the client reads again; nothing keeps it. */
  private offerOnce(message: Message, options: DeliveryOptions): OfferOutcome {
    const { link } = this;
    if (link === undefined) return 'away';
    if (link.isWritable && this.waiting.length === 0) {
      const frame = message.frameFor(link.version, options, this.options.now);
      if (frame.byteLength <= link.largestBytes) link.send(frame, 0);
      return 'taken';
    }
    if (this.crowd.isFilledBy(message.publishedBy)) return 'full';
    const shortage = this.shortageFor(costOf(message.size, options));
    if (shortage !== undefined) return shortage;
    message.detach();
    const delivery = new Delivery(message, 0, 0, options);
    this.add(delivery);
    this.waiting.push(delivery);
    return 'taken';
  }

  private sendWaiting(link: Link): void {
    const { waiting } = this;
    for (let next = waiting.first; next !== undefined && link.isWritable; next = waiting.first) {
      if (this.isExpired(next)) {
        waiting.shift();
        this.drop(next);
        continue;
      }
      if (next.qos > 0 && !this.mayFly(next, link)) return;
      waiting.shift();
      this.send(next, link);
    }
    if (!this.options.backlog.isEmpty) this.pumpBacklog(link);
  }

  private pumpBacklog(link: Link): void {
    while (this.mayTakeFromBacklog(link)) {
      if (!this.takeFromBacklog(link)) {
        this.options.backlog.whenReady(() => this.pump(), link.budget);
        return;
      }
    }
  }

  /** Takes a few messages. False when there are none, or not in this turn. */
  private takeFromBacklog(link: Link): boolean {
    const { backlog } = this.options;
    const startedAt = performance.now();
    try {
      for (let count = 0; count < messagesBetweenLooks && this.mayTakeFromBacklog(link); count += 1) {
        const due = backlog.next(link.budget);
        if (due === undefined) return false;
        if (!this.offerRetained(due)) {
          this.waitForRoom();
          return false;
        }
      }
      return true;
    } finally {
      link.budget?.spend(performance.now() - startedAt);
    }
  }

  /** Others of the same share, or of all, have taken it. Nobody says when they give it back. */
  private waitForRoom(): void {
    this.options.backlog.putBack();
    this.retry ??= setTimeout(() => {
      this.retry = undefined;
      this.pump();
    }, retryMs).unref();
  }

  private mayTakeFromBacklog(link: Link): boolean {
    return link.isWritable && this.waiting.length === 0 && this.inFlight < link.window;
  }

  /**
   * Each receiver gets a message of its own, with its own place in the journal.
   *
   * @returns false when there is no room for it now
   */
  private offerRetained({ message: retained, options }: DueMessage): boolean {
    const message = new Message(this.options.nextMessageId(), retained, retained.publishedAt);
    if (options.qos > 0 && this.shortageFor(costOf(message.size, options)) !== undefined) return false;
    if (options.qos === 2) message.position = Number.POSITIVE_INFINITY;
    this.offer(message, options);
    if (message.awaited > 0) this.options.journal.keep(message);
    if (options.qos < 2) return true;
    message.position = this.options.journal.position;
    this.options.journal.whenCommitted({ committed: () => this.pump() });
    return true;
  }

  private queue(delivery: Delivery): void {
    const { message, options } = delivery;
    if (this.link === undefined) message.detach();
    else message.prepare(this.link.version, options);
    this.unacknowledged.set(delivery.packetId, delivery);
    this.add(delivery);
    this.waiting.push(delivery);
  }

  private mayFly(delivery: Delivery, link: Link): boolean {
    if (this.inFlight >= link.window) return false;
    // A QoS 2 message must not reach its receiver twice. If it went out before it is in the journal and the broker
    // crashed, its publisher would send it again, and we would take it for a new one.
    return delivery.qos < 2 || delivery.message.position <= this.options.journal.committed;
  }

  private send(delivery: Delivery, link: Link): void {
    const { message, packetId, qos, options } = delivery;
    const frame = message.frameFor(link.version, options, this.options.now);
    // [MQTT-3.1.2-25]: what is too large for the client counts as delivered.
    if (frame.byteLength > link.largestBytes) {
      this.drop(delivery);
      return;
    }
    if (qos === 0) {
      this.release(delivery);
      link.send(frame, 0);
      return;
    }
    delivery.state = 'sent';
    this.inFlight += 1;
    if (!delivery.isDuplicate) {
      link.send(frame, packetId);
      return;
    }
    const copy = frame.withPacketId(packetId);
    markDuplicate(copy);
    link.send(wholeFrame(copy), 0);
  }

  /** [MQTT-3.3.2-5]: a message whose delivery has begun is not dropped. */
  private isExpired({ message, state, isDuplicate }: Delivery): boolean {
    if (message.expiresAt === Number.POSITIVE_INFINITY || state !== 'waiting' || isDuplicate) return false;
    return message.expiresAt <= this.options.now();
  }

  /** Ends a delivery that was not sent. */
  private drop(delivery: Delivery): void {
    this.release(delivery);
    if (delivery.qos === 0) return;
    this.unacknowledged.delete(delivery.packetId);
    this.settle(delivery);
  }

  private remove(delivery: Delivery): void {
    this.crowd.noteProgress();
    this.unacknowledged.delete(delivery.packetId);
    this.inFlight -= 1;
    this.release(delivery);
  }

  private settle(delivery: Delivery): void {
    delivery.state = 'done';
    if (delivery.session === 0) return;
    this.leave(delivery.message, delivery);
  }

  /** One kept session less waits for the message. */
  private leave(message: Message, acknowledged?: Delivery): void {
    const { journal } = this.options;
    message.awaited -= 1;
    if (message.awaited === 0) journal.forget(message);
    if (acknowledged !== undefined)
      journal.endLazily(acknowledged, (writer) => acknowledged.writeEnd(writer, recordTypes.acknowledged));
  }

  private forgetUnsentOnce(): void {
    for (let next = this.waiting.shift(); next !== undefined; next = this.waiting.shift())
      if (next.qos === 0) this.release(next);
  }

  private add({ message, size }: Delivery): void {
    this.crowd.add(message.publishedBy, size);
    this.options.share.take('queuedBytes', size);
  }

  private release({ message, size }: Delivery): void {
    this.options.share.take('queuedBytes', -size);
    this.crowd.remove(message.publishedBy, size);
  }

  private nextPacketId(): number {
    do {
      this.lastPacketId = this.lastPacketId === mostPacketIds ? 1 : this.lastPacketId + 1;
    } while (this.unacknowledged.has(this.lastPacketId));
    return this.lastPacketId;
  }
}
