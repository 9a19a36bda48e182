import {
  type ConnectPacket,
  connectReturnCode,
  encodeConnack,
  encodeGrants,
  encodePing,
  type MqttPacket,
  type PacketError,
  type PublishPacket,
  reasonCodes,
  type SubscribePacket,
  type SubscriptionRequest,
  type UnsubscribePacket,
  type Will,
} from '@sallyport/mqtt-wire';
import { type AccessRules, type Origin, sessionName } from './access-rules.js';
import type { BrokerJournal } from './broker-journal.js';
import { Connection, type ConnectionOptions, type ConnectionUser } from './connection.js';
import type { BrokerCounters } from './counters.js';
import { type Frame, pubackFrame, pubcompFrame, pubrecFrame, pubrelFrame, wholeFrame } from './frame.js';
import type { BrokerLimits } from './limits.js';
import type { Publication } from './message.js';
import type { Link } from './outbox.js';
import { Replies } from './replies.js';
import type { Router } from './router.js';
import type { Session, SessionHolder } from './session.js';
import type { SessionTable } from './session-table.js';

/** What all clients of a broker share. */
export interface ClientContext {
  readonly limits: BrokerLimits;
  readonly rules: AccessRules;
  readonly journal: BrokerJournal;
  readonly sessions: SessionTable;
  readonly router: Router;
  readonly counters: BrokerCounters;
  readonly onWarning: (text: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly onClosed: (client: Client) => void;
}

export interface ClientOptions extends Pick<ConnectionOptions, 'stream' | 'writer'> {
  readonly origin: Origin;
  /** Of the client, for the share of clients without an identity. */
  readonly network: string;
}

/** Why a client may not connect. */
interface Refusal {
  readonly reason: string;
  /** Of MQTT 5. */
  readonly code: number;
}

/** SUBACK of MQTT 3.1.1: this subscription failed. */
const failure = 0x80;

const pingFrame = wholeFrame(encodePing({ type: 'pingresp' }));

/** The longest a client may be silent: one and a half times its keep-alive [MQTT-3.1.2-24]. */
const keepAliveFactor = 1_500;

/** One connection, from its CONNECT to its end, and the session it uses. */
export class Client implements ConnectionUser, SessionHolder {
  private readonly connection: Connection;
  private readonly replies: Replies;
  private readonly openedAt = performance.now();
  private connect: ConnectPacket | undefined;
  private session: Session | undefined;
  private will: Will | undefined;
  private hasReportedSubscription = false;

  constructor(
    private readonly context: ClientContext,
    private readonly options: ClientOptions,
  ) {
    this.connection = new Connection({ ...options, limits: context.limits, user: this });
    this.replies = new Replies(context.journal, (frame, packetId) => this.connection.send(frame, packetId));
  }

  packet(packet: MqttPacket): void {
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
        this.takePubrec(packet.packetId);
        break;
      case 'pubrel':
        this.session?.inbox.release(packet.packetId);
        this.replies.whenKept(pubcompFrame, packet.packetId);
        break;
      case 'pubcomp':
        this.session?.outbox.complete(packet.packetId);
        break;
      case 'subscribe':
        this.takeSubscribe(packet);
        break;
      case 'unsubscribe':
        this.takeUnsubscribe(packet);
        break;
      case 'pingreq':
        this.connection.send(pingFrame, 0);
        break;
      case 'disconnect':
        // [MQTT-3.14.4-3]: no will after a DISCONNECT.
        this.will = undefined;
        this.endSession();
        this.connection.end();
        break;
      case 'auth':
      case 'connack':
      case 'suback':
      case 'unsuback':
      case 'pingresp':
        this.cut(`a client must not send ${packet.type}`);
        break;
      default:
        packet satisfies never;
    }
    this.waitForDisk();
  }

  writable(): void {
    this.session?.outbox.pump();
  }

  faulty(error: PacketError): void {
    if (this.connect === undefined) this.refuse(error.message, error.reasonCode);
    else this.cut(error.message);
  }

  closed(): void {
    this.replies.clear();
    this.endSession();
    this.context.onClosed(this);
  }

  yield(): void {
    this.cut('another connection has taken over the session');
  }

  /** Ends the connection of a broker that stops. */
  stop(): void {
    this.connection.destroy();
  }

  /** Ends a connection that has been silent, or has not read, for too long. Called several times a second. */
  checkTime(now: number): void {
    const { limits } = this.context;
    const { blockedSince, receivedAt } = this.connection;
    const keepAlive = this.connect?.keepAliveSeconds ?? 0;
    if (this.connect === undefined && now - this.openedAt > limits.connectMs)
      this.refuse('no CONNECT came in time', reasonCodes.unspecifiedError);
    else if (blockedSince !== undefined && now - blockedSince > limits.drainMs) this.cut('the client does not read');
    else if (keepAlive > 0 && now - receivedAt > keepAlive * keepAliveFactor) this.cut('the client was silent');
  }

  private open(connect: ConnectPacket): void {
    const refusal = this.refusalOf(connect);
    if (refusal !== undefined) {
      this.refuse(refusal.reason, refusal.code);
      return;
    }
    const { origin, network } = this.options;
    const { clientId, isClean, will } = connect;
    const name = sessionName(origin, clientId);
    const opened = this.context.sessions.open({ name, origin, network, isClean, isKept: !isClean });
    if (opened.outcome === 'refused') {
      this.refuse(`no room for a session (${opened.shortage})`, reasonCodes.quotaExceeded);
      return;
    }
    this.connect = connect;
    this.will = will;
    this.join(opened.session, opened.isPresent);
  }

  private refusalOf({ clientId, isClean, will, version }: ConnectPacket): Refusal | undefined {
    if (version === 5) return { reason: 'the broker speaks MQTT 3.1.1', code: reasonCodes.unsupportedProtocolVersion };
    // [MQTT-3.1.3-8]
    if (clientId === '' && !isClean)
      return { reason: 'a session to be kept needs a client id', code: reasonCodes.clientIdNotValid };
    if (clientId.length > this.context.limits.clientIdLength)
      return { reason: 'the client id is too long', code: reasonCodes.clientIdNotValid };
    if (will !== undefined && !this.mayPublish(will.topic))
      return { reason: 'the last will is not allowed', code: reasonCodes.notAuthorized };
    if (this.context.journal.isFailing && !isClean)
      return { reason: 'the journal cannot be written', code: reasonCodes.serverUnavailable };
    return undefined;
  }

  /** Answers the CONNECT when the session is in the journal; the client's next packets wait until then. */
  private join(session: Session, sessionPresent: boolean): void {
    this.session = session;
    session.holder = this;
    this.connection.hold();
    const connack = encodeConnack(
      { type: 'connack', sessionPresent, reasonCode: 0, properties: undefined },
      this.version,
    );
    const { journal } = this.context;
    const answer = () => {
      if (!this.connection.isOpen || session.holder !== this) return;
      this.connection.send(wholeFrame(connack), 0);
      session.outbox.attach(this.link());
      this.connection.resume();
    };
    if (journal.position <= journal.committed || journal.isFailing) answer();
    else journal.whenCommitted({ committed: answer });
  }

  private get version(): 3 | 4 | 5 {
    return this.connect?.version ?? 4;
  }

  private link(): Link {
    const { connection, version } = this;
    return {
      version,
      window: this.context.limits.inFlightMessages,
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
    if (levelsOf(packet.topic) > limits.topicLevels) {
      this.cut('a topic has too many levels');
      return;
    }
    if (!this.mayPublish(packet.topic)) {
      this.refusePublication(packet.topic);
      return;
    }
    if (packet.qos === 2) {
      this.takeExactlyOnce(packet, session);
      return;
    }
    const outcome = this.context.router.publish(packet, session);
    if (packet.qos === 0) return;
    if (outcome === 'no-room' || outcome === 'failing') {
      this.leaveUnacknowledged();
      return;
    }
    this.replies.whenKept(pubackFrame, packet.packetId);
  }

  /** A message is passed on when it comes first. Its repetitions are acknowledged alone [MQTT-4.3.3-2]. */
  private takeExactlyOnce(packet: PublishPacket, session: Session): void {
    if (!session.inbox.has(packet.packetId)) {
      if (session.inbox.size >= this.context.limits.unreleasedMessages) {
        this.cut('a client leaves too many QoS 2 messages without PUBREL');
        return;
      }
      const outcome = this.context.router.publish(packet, session);
      if (outcome === 'no-room' || outcome === 'failing') {
        this.leaveUnacknowledged();
        return;
      }
      session.inbox.add(packet.packetId);
    }
    this.replies.whenKept(pubrecFrame, packet.packetId);
  }

  private takePubrec(packetId: number): void {
    this.session?.outbox.receive(packetId);
    this.replies.whenKept(pubrelFrame, packetId);
  }

  private takeSubscribe(packet: SubscribePacket): void {
    const { session } = this;
    if (session === undefined) return;
    const decisions = packet.subscriptions.map(({ filter }) => this.maySubscribe(filter, session));
    const isDecided = decisions.every((decision) => typeof decision === 'boolean');
    if (isDecided) {
      this.subscribe(packet, decisions);
      return;
    }
    // The client's next packet must not overtake this one.
    this.connection.hold();
    Promise.all(decisions).then(
      (allowed) => {
        if (this.session === session) this.subscribe(packet, allowed);
        this.connection.resume();
      },
      (error: unknown) => {
        this.context.onWarning('the access rules could not decide', { error });
        this.cut('the access rules could not decide');
      },
    );
  }

  private subscribe(
    { packetId, subscriptions }: SubscribePacket,
    allowed: readonly (boolean | Promise<boolean>)[],
  ): void {
    const { session } = this;
    if (session === undefined) return;
    const codes = subscriptions.map((request, index) => this.grant(request, session, allowed[index] === true));
    const suback = { type: 'suback', packetId, reasonCodes: codes, properties: undefined } as const;
    this.replies.whenKept(wholeFrame(encodeGrants(suback, this.version)), 0);
    for (const [index, request] of subscriptions.entries())
      if (codes[index] !== failure) this.context.router.sendRetained(session, { ...request, identifier: undefined });
  }

  /** Returns the granted QoS, or that the subscription failed. */
  private grant(request: SubscriptionRequest, session: Session, isAllowed: boolean): number {
    const { router, journal } = this.context;
    const isKeepable = !session.isKept || !journal.isFailing;
    const isGranted =
      isAllowed && isKeepable && router.subscribe(session, { ...request, identifier: undefined }) !== 'no-room';
    if (!isGranted) this.noteRefusal(request.filter);
    return isGranted ? request.qos : failure;
  }

  private takeUnsubscribe({ packetId, filters }: UnsubscribePacket): void {
    const { session } = this;
    if (session === undefined) return;
    for (const filter of filters) this.context.router.unsubscribe(session, filter);
    const unsuback = { type: 'unsuback', packetId, reasonCodes: [], properties: undefined } as const;
    this.replies.whenKept(wholeFrame(encodeGrants(unsuback, this.version)), 0);
  }

  /** One object for as long as the session: the rights of each are compiled once. */
  private get origin(): Origin {
    return this.session?.origin ?? this.options.origin;
  }

  private mayPublish(topic: string): boolean {
    return this.context.rules.mayPublish(this.origin, topic);
  }

  private maySubscribe(filter: string, session: Session): boolean | Promise<boolean> {
    if (levelsOf(filter) > this.context.limits.topicLevels) return false;
    return this.context.rules.maySubscribe(this.origin, filter, session.name);
  }

  /** MQTT 3.1.1 has no other answer to a publication that is not allowed than the end of the connection. */
  private refusePublication(topic: string): void {
    this.context.counters.publicationsRefused += 1;
    this.context.onWarning('a publication was refused', { session: this.session?.name, topic });
    this.connection.destroy();
  }

  /** [MQTT-3.3.5-2]: a publication is acknowledged, or the connection ends. The client sends it again later. */
  private leaveUnacknowledged(): void {
    this.context.counters.publicationsRefused += 1;
    this.connection.destroy();
  }

  /** Once for each connection: one packet may ask for a hundred thousand filters. */
  private noteRefusal(filter: string): void {
    if (this.hasReportedSubscription) return;
    this.hasReportedSubscription = true;
    this.context.onWarning('a subscription was refused', { session: this.session?.name, filter });
  }

  private refuse(reason: string, reasonCode: number): void {
    const code = connectReturnCode(reasonCode);
    this.context.counters.connectionsRefused += 1;
    this.context.onWarning('a client was refused', { reason, network: this.options.network });
    if (code === undefined) {
      this.connection.destroy();
      return;
    }
    const connack = { type: 'connack', sessionPresent: false, reasonCode: code, properties: undefined } as const;
    this.connection.send(wholeFrame(encodeConnack(connack, 4)), 0);
    this.connection.end();
  }

  private cut(reason: string): void {
    this.context.onWarning('a connection was ended', { reason, session: this.session?.name });
    this.connection.destroy();
  }

  private endSession(): void {
    const { session } = this;
    this.session = undefined;
    if (session?.holder !== this) return;
    this.publishWill(session);
    this.context.sessions.leave(session);
  }

  private publishWill(session: Session): void {
    const { will } = this;
    this.will = undefined;
    if (will === undefined) return;
    const publication: Publication = { ...will };
    const outcome = this.mayPublish(will.topic) ? this.context.router.publish(publication, session) : 'no-room';
    if (outcome === 'no-room' || outcome === 'failing')
      this.context.onWarning('a last will was not kept', { session: session.name, topic: will.topic });
  }

  /** While much waits to be written, the client is not read. */
  private waitForDisk(): void {
    const { journal } = this.context;
    if (!journal.isBusy || !this.connection.isOpen) return;
    this.connection.hold();
    journal.whenCommitted({ committed: () => this.connection.resume() });
  }
}

function levelsOf(topic: string): number {
  let levels = 1;
  for (let at = topic.indexOf('/'); at !== -1; at = topic.indexOf('/', at + 1)) levels += 1;
  return levels;
}
