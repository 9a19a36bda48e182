import { randomUUID } from 'node:crypto';
import {
  type AckPacket,
  Answers,
  type ClientLog,
  type ConnectPacket,
  connectRefusalOf,
  encodePing,
  type Frame,
  type MqttPacket,
  PacketConnection,
  type PacketConnectionOptions,
  type PacketConnectionUser,
  type PacketError,
  type PublishPacket,
  type ReasonPacket,
  reasonCodes,
  wholeFrame,
} from '@sallyport/mqtt-wire';
import type { ConnectRefusal } from '@sallyport/protocol';
import { type AccessRules, isService, type Origin, ownerOf, sessionName } from './access-rules.js';
import type { BrokerJournal } from './broker-journal.js';
import { type ConnectTerms, offerOf, termsOf } from './connect-terms.js';
import type { BrokerCounters } from './counters.js';
import type { Crowd } from './crowd.js';
import { type BrokerLimits, limitsOfServices } from './limits.js';
import { messageProperties } from './message-properties.js';
import type { Link } from './outbox.js';
import { Replies } from './replies.js';
import type { PublishOutcome, Router } from './router.js';
import type { Session, SessionHolder } from './session.js';
import type { SessionTable } from './session-table.js';
import { Subscribing } from './subscribing.js';
import { levelsOf } from './topic-levels.js';
import type { Wills } from './wills.js';

/** What all clients of a broker share. */
export interface ClientContext {
  readonly limits: BrokerLimits;
  readonly rules: AccessRules;
  readonly journal: BrokerJournal;
  readonly sessions: SessionTable;
  readonly router: Router;
  readonly wills: Wills;
  readonly counters: BrokerCounters;
  readonly log: ClientLog;
  readonly onClosed: (client: Client) => void;
}

export interface ClientOptions extends Pick<PacketConnectionOptions, 'stream' | 'writer' | 'budget'> {
  readonly origin: Origin;
  /** Of the client, for the share of clients without an identity. */
  readonly network: string;
  /** Aborted when the entrance is about to end the connection. */
  readonly draining?: AbortSignal;
}

/** Why a client may not connect. */
interface Refusal {
  readonly refusal: ConnectRefusal;
  /** For the log. */
  readonly detail: string;
  /** Of MQTT 5. */
  readonly code: number;
}

const pingFrame = wholeFrame(encodePing({ type: 'pingresp' }));

/** What an MQTT 5 client is told of a message that was not kept. */
const codeOfOutcome: Readonly<Record<PublishOutcome, number>> = {
  delivered: reasonCodes.success,
  'no-subscriber': reasonCodes.noMatchingSubscribers,
  'no-room': reasonCodes.quotaExceeded,
  failing: reasonCodes.implementationSpecificError,
};

/** One connection, from its CONNECT to its end, and the session it uses. */
export class Client implements PacketConnectionUser, SessionHolder {
  private readonly connection: PacketConnection;
  private readonly replies: Replies;
  private readonly subscribing: Subscribing;
  private answers = new Answers(4);
  private terms: ConnectTerms | undefined;
  private session: Session | undefined;
  private isWaiting = false;

  constructor(
    private readonly context: ClientContext,
    private readonly options: ClientOptions,
  ) {
    this.connection = new PacketConnection({ ...options, limits: context.limits, user: this });
    this.replies = new Replies(context.journal, (frame, packetId) => this.connection.send(frame, packetId));
    this.subscribing = new Subscribing(context, {
      hold: () => this.connection.hold(),
      resume: () => this.connection.resume(),
      isUsing: (session) => this.session === session,
      budget: options.budget,
      answer: (packetId, codes) => this.replies.answer(this.answers.suback(packetId, codes), 0),
      answerEnd: (packetId, codes) => this.replies.answer(this.answers.unsuback(packetId, codes), 0),
      fail: (reason) => this.cut(reason, reasonCodes.implementationSpecificError),
    });
    options.draining?.addEventListener('abort', () => this.drain());
  }

  packet(packet: MqttPacket): number {
    this.replies.begin();
    switch (packet.type) {
      case 'connect':
        this.open(packet);
        break;
      case 'publish':
        this.takePublish(packet);
        break;
      case 'puback':
        this.session?.outbox.acknowledge(packet.packetId);
        break;
      case 'pubrec':
        this.takePubrec(packet);
        break;
      case 'pubrel':
        this.takePubrel(packet.packetId);
        break;
      case 'pubcomp':
        this.session?.outbox.complete(packet.packetId);
        break;
      case 'subscribe':
        this.subscribing.take(packet, this.session);
        break;
      case 'unsubscribe':
        this.subscribing.takeAway(packet, this.session);
        break;
      case 'pingreq':
        this.connection.send(pingFrame, 0);
        break;
      case 'disconnect':
        this.takeDisconnect(packet);
        break;
      case 'auth':
      case 'connack':
      case 'suback':
      case 'unsuback':
      case 'pingresp':
        this.cut(`${packet.type} must not come here`, reasonCodes.protocolError);
        break;
      default:
        packet satisfies never;
    }
    this.waitForDisk();
    return packet.type === 'publish' ? this.context.router.takeEffort() : 1;
  }

  writable(): void {
    this.session?.outbox.drained();
  }

  faulty(error: PacketError): void {
    if (this.terms === undefined)
      this.refuse({ refusal: connectRefusalOf(error), detail: error.message, code: error.reasonCode });
    else this.cut(error.message, error.reasonCode);
  }

  closed(): void {
    this.replies.clear();
    this.endSession();
    this.context.onClosed(this);
  }

  yield(): void {
    this.cut('another connection has taken over the session', reasonCodes.sessionTakenOver);
  }

  published(bytes: number): void {
    this.options.budget?.spendBytes(bytes);
  }

  waitFor(crowd: Crowd, owner: string): void {
    if (this.isWaiting) return;
    this.isWaiting = true;
    this.connection.hold();
    crowd.wait(owner, () => {
      this.isWaiting = false;
      this.connection.resume();
    });
  }

  /** Ends the connection of a broker that stops. */
  stop(): void {
    this.sayShuttingDown();
    this.connection.destroy();
  }

  /** Ends a connection that has been silent, or has not read, for too long. Called several times a second. */
  checkTime(now: number): void {
    const overdue = this.connection.overdue(now, this.terms?.keepAliveSeconds);
    switch (overdue) {
      case undefined:
        break;
      case 'not-closing':
        this.connection.destroy();
        break;
      case 'connect':
        this.refuse({ refusal: 'connect-late', detail: 'no CONNECT came in time', code: reasonCodes.unspecifiedError });
        break;
      case 'not-reading':
        this.abort('the client does not read');
        break;
      case 'silent':
        this.cut('the client was silent', reasonCodes.keepAliveTimeout);
        break;
      default:
        overdue satisfies never;
    }
  }

  private drain(): void {
    this.sayShuttingDown();
    this.connection.end();
  }

  private sayShuttingDown(): void {
    const lastWord = this.session === undefined ? undefined : this.answers.disconnect(reasonCodes.serverShuttingDown);
    if (lastWord !== undefined) this.connection.writeNow(lastWord);
  }

  private open(connect: ConnectPacket): void {
    this.answers = new Answers(connect.version);
    const { limits } = this.context;
    const terms = termsOf(connect, isService(this.options.origin) ? limitsOfServices(limits) : limits);
    const refusal = this.refusalOf(connect, terms);
    if (refusal !== undefined) {
      this.refuse(refusal);
      return;
    }
    const { origin, network } = this.options;
    const { isClean } = connect;
    const assignedId = connect.clientId === '' ? randomUUID() : undefined;
    const name = sessionName(origin, assignedId ?? connect.clientId);
    const { expirySeconds } = terms;
    const opened = this.context.sessions.open({ name, origin, network, isClean, expirySeconds });
    if (opened.outcome === 'refused') {
      const detail = `no room for a session (${opened.shortage})`;
      this.refuse({ refusal: 'sessions-full', detail, code: reasonCodes.quotaExceeded });
      return;
    }
    this.context.wills.cancel(opened.session);
    this.terms = terms;
    const offer = offerOf(limits, assignedId);
    this.join(opened.session, terms, this.answers.connack(opened.isPresent, offer));
  }

  private refusalOf(connect: ConnectPacket, { expirySeconds }: ConnectTerms): Refusal | undefined {
    const { clientId, isClean, will, version, properties } = connect;
    // [MQTT-3.1.3-8] of 3.1.1; MQTT 5 lets the server choose the id of a session that is kept.
    if (clientId === '' && !isClean && version !== 5)
      return refused('client-id-not-valid', 'a session to be kept needs a client id', reasonCodes.clientIdNotValid);
    if (clientId.length > this.context.limits.clientIdLength)
      return refused('client-id-not-valid', 'the client id is too long', reasonCodes.clientIdNotValid);
    if (properties?.authenticationMethod !== undefined)
      return refused('authentication-method', 'the client asks for one', reasonCodes.badAuthenticationMethod);
    if (will !== undefined && !this.mayPublish(will.topic))
      return refused('will-not-permitted', `topic ${will.topic}`, reasonCodes.notAuthorized);
    if (this.context.journal.isFailing && expirySeconds > 0)
      return refused('journal-failing', 'the journal cannot be written', reasonCodes.serverUnavailable);
    return undefined;
  }

  /** Answers the CONNECT when the session is in the journal; the client's next packets wait until then. */
  private join(session: Session, terms: ConnectTerms, connack: Frame): void {
    this.session = session;
    session.holder = this;
    this.connection.hold();
    const { journal } = this.context;
    const answer = () => {
      if (!this.connection.isOpen || session.holder !== this) return;
      this.connection.send(connack, 0);
      session.outbox.attach(this.link(terms));
      this.connection.resume();
    };
    // A client that comes back at once may send again what it sent before.
    if (session.isKept) this.replies.waitForAll();
    if (this.replies.isKept || journal.isFailing) answer();
    else journal.whenCommitted({ committed: answer });
  }

  private link({ version, window, largestBytes }: ConnectTerms): Link {
    const { connection, options } = this;
    return {
      budget: options.budget,
      version,
      window,
      largestBytes,
      get isWritable() {
        return connection.isWritable;
      },
      send: (frame: Frame, packetId: number) => connection.send(frame, packetId),
    };
  }

  private takePublish(packet: PublishPacket): void {
    const { session } = this;
    const { counters, limits } = this.context;
    if (session === undefined) return;
    counters.messagesReceived += 1;
    if (levelsOf(packet.topic) > limits.topicLevels)
      this.cut('a topic has too many levels', reasonCodes.topicNameInvalid);
    else if (!this.mayPublish(packet.topic)) this.refusePublication(packet);
    else if (packet.qos === 2) this.takeExactlyOnce(packet, session);
    else this.pass(packet, session);
  }

  private pass(packet: PublishPacket, session: Session): void {
    const outcome = this.publish(packet, session);
    if (packet.qos > 0) this.answerPublication(packet, outcome);
  }

  private publish(packet: PublishPacket, session: Session): PublishOutcome {
    const { properties } = packet;
    const publication = properties === undefined ? packet : { ...packet, properties: messageProperties(properties) };
    return this.context.router.publish(publication, session);
  }

  /** A message is passed on when it comes first. Its repetitions are acknowledged alone [MQTT-4.3.3-2]. */
  private takeExactlyOnce(packet: PublishPacket, session: Session): void {
    if (session.inbox.has(packet.packetId)) {
      this.answerPublication(packet, 'delivered');
      return;
    }
    if (session.inbox.size >= this.context.limits.unreleasedMessages) {
      this.cut('a client leaves too many QoS 2 messages without PUBREL', reasonCodes.receiveMaximumExceeded);
      return;
    }
    // First, so that the message waits for this record too.
    session.inbox.add(packet.packetId);
    const outcome = this.publish(packet, session);
    if (!isTaken(outcome)) session.inbox.release(packet.packetId);
    this.answerPublication(packet, outcome);
  }

  /** [MQTT-3.3.5-2] of 3.1.1: without a word for a refusal, the connection ends. The client sends it again later. */
  private answerPublication({ qos, packetId }: PublishPacket, outcome: PublishOutcome): void {
    if (!isTaken(outcome)) this.context.counters.publicationsRefused += 1;
    if (!isTaken(outcome) && this.terms?.version !== 5) this.connection.destroy();
    else this.replies.answer(this.answers.ack(ackOf(qos), packetId, codeOfOutcome[outcome]), packetId);
  }

  private takePubrec({ packetId, reasonCode }: AckPacket): void {
    const outbox = this.session?.outbox;
    if (reasonCode >= reasonCodes.unspecifiedError) {
      outbox?.refuse(packetId);
      return;
    }
    const isKnown = outbox?.receive(packetId) === true;
    const code = isKnown ? reasonCodes.success : reasonCodes.packetIdNotFound;
    this.replies.answer(this.answers.ack('pubrel', packetId, code), packetId);
  }

  private takePubrel(packetId: number): void {
    const isKnown = this.session?.inbox.release(packetId) === true;
    const code = isKnown ? reasonCodes.success : reasonCodes.packetIdNotFound;
    this.replies.answer(this.answers.ack('pubcomp', packetId, code), packetId);
  }

  /** @see MQTT 5.0 §3.14 */
  private takeDisconnect({ reasonCode, properties }: ReasonPacket): void {
    const { terms, session } = this;
    const expiry = properties?.sessionExpiryInterval;
    // [MQTT-3.14.2-2]
    if (expiry !== undefined && expiry > 0 && terms?.expirySeconds === 0) {
      this.cut('a session that was not to be kept cannot be kept now', reasonCodes.protocolError);
      return;
    }
    if (expiry !== undefined && session !== undefined) this.context.sessions.setExpiry(session, expiry);
    // [MQTT-3.14.4-3]: no will after a normal DISCONNECT.
    if (terms !== undefined && reasonCode === reasonCodes.success) this.terms = { ...terms, will: undefined };
    this.endSession();
    this.connection.end();
  }

  /** One object for as long as the session: the rights of each are compiled once. */
  private get origin(): Origin {
    return this.session?.origin ?? this.options.origin;
  }

  private mayPublish(topic: string): boolean {
    return this.context.rules.mayPublish(this.origin, topic);
  }

  /**
   * MQTT 3.1.1 [MQTT-3.3.5-2] leaves two answers to a publication that is not allowed: to end the connection, or to
   * acknowledge it. The second is for the topics of brokers (§4.7.2), to which clients publish without ill intent.
   */
  private refusePublication({ topic, qos, packetId }: PublishPacket): void {
    this.context.counters.publicationsRefused += 1;
    this.note('a publication was refused', { session: this.session?.name, topic });
    const isOfBroker = topic.startsWith('$');
    const isNewest = this.terms?.version === 5;
    if (!isOfBroker && !isNewest) this.connection.destroy();
    else if (qos > 0) this.replies.answer(this.answers.ack(ackOf(qos), packetId, reasonCodes.notAuthorized), packetId);
  }

  private refuse({ refusal, detail, code }: Refusal): void {
    const { refusals } = this.context.counters;
    refusals.set(refusal, (refusals.get(refusal) ?? 0) + 1);
    const { origin, network } = this.options;
    const peer = origin.kind === 'network' ? origin.peer : undefined;
    const who = peer === undefined ? {} : { deviceId: peer.deviceId };
    this.note('a client was refused', { reason: refusal, detail, network, ...who });
    this.leave(this.answers.refusal(code));
  }

  /** Ends a connection, and tells the client why where its version can. */
  private cut(reason: string, reasonCode: number): void {
    this.note('a connection was ended', { reason, session: this.session?.name });
    this.leave(this.answers.disconnect(reasonCode));
  }

  /** Ends a connection that takes no last word. */
  private abort(reason: string): void {
    this.note('a connection was ended', { reason, session: this.session?.name });
    this.connection.destroy();
  }

  private note(text: string, fields: Readonly<Record<string, unknown>>): void {
    const { origin, network } = this.options;
    this.context.log.warn(text, ownerOf(origin, network), fields);
  }

  private leave(lastWord: Frame | undefined): void {
    this.replies.clear();
    this.endSession();
    if (lastWord === undefined) {
      this.connection.destroy();
      return;
    }
    this.connection.send(lastWord, 0);
    this.connection.end();
  }

  private endSession(): void {
    const { session, terms } = this;
    const { sessions, wills } = this.context;
    this.session = undefined;
    if (session?.holder !== this) return;
    if (terms?.will !== undefined) wills.take(session, terms.will);
    sessions.leave(session);
  }

  /** While much waits to be written, the client is not read. */
  private waitForDisk(): void {
    const { journal } = this.context;
    if (!journal.isBusy || !this.connection.isOpen) return;
    this.connection.hold();
    journal.whenCommitted({ committed: () => this.connection.resume() });
  }
}

function refused(refusal: ConnectRefusal, detail: string, code: number): Refusal {
  return { refusal, detail, code };
}

function isTaken(outcome: PublishOutcome): boolean {
  return outcome === 'delivered' || outcome === 'no-subscriber';
}

function ackOf(qos: number): 'puback' | 'pubrec' {
  return qos === 2 ? 'pubrec' : 'puback';
}
