import type { Duplex } from 'node:stream';
import {
  Answers,
  type ClientLog,
  type ConnectPacket,
  connectRefusalOf,
  encodePing,
  type Frame,
  type MqttPacket,
  PacketConnection,
  type PacketConnectionUser,
  type PacketError,
  type PublishPacket,
  reasonCodes,
  type SubscribePacket,
  type TurnBudget,
  type TurnWriter,
  type UnsubscribePacket,
  wholeFrame,
} from '@sallyport/mqtt-wire';
import type { DeviceId } from '@sallyport/protocol';
import type { ClientContact } from './client-contact.js';
import { isImpliedFilter } from './device-topics.js';
import { type DeviceValuesOverMqtt, DeviceWork } from './device-work.js';
import { identify } from './identify.js';
import { ProvisioningWork } from './provisioning-work.js';
import { packetLimits, type SessionLimits } from './session-limits.js';
import { type ConnectFault, offerOf, type SessionTerms, termsOf } from './session-terms.js';
import type { SessionCounters, SessionLink, SessionWork } from './session-work.js';

/** What all sessions share. */
export interface SessionContext {
  readonly limits: SessionLimits;
  readonly writer: TurnWriter;
  readonly log: ClientLog;
  readonly counters: SessionCounters;
  readonly valuesOf: (device: DeviceId, contact: ClientContact) => DeviceValuesOverMqtt;
  /** Makes this the session of the device, and ends the one before. False: devices with this name evict each other. */
  readonly takeOver: (device: DeviceId, session: DeviceSession) => boolean;
  /** The session serves its device no longer; its connection may take a moment more. */
  readonly left: (session: DeviceSession) => void;
  readonly closed: (session: DeviceSession) => void;
}

export interface DeviceSessionOptions {
  readonly stream: Duplex;
  readonly contact: ClientContact;
  readonly budget: TurnBudget;
}

const pingFrame = wholeFrame(encodePing({ type: 'pingresp' }));

/** One MQTT connection of a device, from its CONNECT to its end. There is no broker: a topic is a value of the device. */
export class DeviceSession implements PacketConnectionUser {
  /** Undefined until the client is connected, and for one that has not said who it is. */
  device: DeviceId | undefined;
  private readonly connection: PacketConnection;
  private answers = new Answers(4);
  private terms: SessionTerms | undefined;
  private work: SessionWork | undefined;
  private joinedAt = 0;
  private isDraining = false;

  constructor(
    private readonly context: SessionContext,
    private readonly options: DeviceSessionOptions,
  ) {
    const { stream, budget } = options;
    const { writer } = context;
    const limits = packetLimits(context.limits, () => this.isAnonymous);
    this.connection = new PacketConnection({ stream, budget, writer, limits, user: this });
    options.contact.draining.addEventListener('abort', () => this.drain(), { once: true });
    if (options.contact.draining.aborted) this.drain();
  }

  packet(packet: MqttPacket): number {
    switch (packet.type) {
      case 'connect':
        this.open(packet);
        break;
      case 'publish':
        this.takePublish(packet);
        break;
      case 'puback':
        this.work?.acknowledge(packet.packetId);
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
        this.leave(undefined);
        break;
      case 'pubrec':
      case 'pubrel':
      case 'pubcomp':
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
    return 1;
  }

  // Commands are few: what waits for the client is bounded by its window.
  writable(): void {}

  faulty(error: PacketError): void {
    if (this.terms !== undefined) this.cut(error.message, error.reasonCode);
    else this.refuse({ reason: connectRefusalOf(error), detail: error.message, code: error.reasonCode });
  }

  closed(): void {
    this.endWork();
    this.context.closed(this);
  }

  /** The device has come again. */
  yield(): void {
    this.cut('another connection has taken over the session', reasonCodes.sessionTakenOver);
  }

  /** Ends a connection that has been silent, or has not read, for too long. Called several times a second. */
  checkTime(now: number): void {
    const overdue = this.connection.overdue(now, this.terms?.keepAliveSeconds);
    switch (overdue) {
      case undefined:
        if (this.isAnonymous && now - this.joinedAt > this.context.limits.anonymousMs)
          this.cut('a client without a credential stayed too long', reasonCodes.maximumConnectTime);
        break;
      case 'connect':
        this.refuse({ reason: 'connect-late', detail: 'no CONNECT came in time', code: reasonCodes.unspecifiedError });
        break;
      case 'silent':
        this.cut('the client was silent', reasonCodes.keepAliveTimeout);
        break;
      case 'not-reading':
      case 'not-closing':
        this.connection.destroy();
        break;
      default:
        overdue satisfies never;
    }
  }

  private get isAnonymous(): boolean {
    return this.terms !== undefined && this.device === undefined;
  }

  /** The client's next packets wait until it is known who it is. */
  private open(connect: ConnectPacket): void {
    this.answers = new Answers(connect.version);
    this.connection.hold();
    void this.admit(connect).catch((error: unknown) => {
      const detail = error instanceof Error ? error.message : String(error);
      this.refuse({ reason: 'admission-unavailable', detail, code: reasonCodes.serverUnavailable });
    });
  }

  private async admit(connect: ConnectPacket): Promise<void> {
    const identity = await identify(connect, this.options.contact);
    if (!this.connection.isOpen) return;
    if (identity.kind === 'fault') this.refuse(identity.fault);
    else this.join(connect, identity.device);
    this.connection.resume();
  }

  private join(connect: ConnectPacket, device: DeviceId | undefined): void {
    const { context } = this;
    if (device !== undefined && !context.takeOver(device, this)) {
      const detail = 'devices with this identity take the session from each other again and again';
      this.refuse({ reason: 'take-over-rate', detail, code: reasonCodes.connectionRateExceeded });
      return;
    }
    this.device = device;
    this.terms = termsOf(connect, context.limits);
    this.joinedAt = performance.now();
    const assignedId = connect.clientId === '' ? device : undefined;
    // Nothing of a session is kept, so none is ever present.
    this.connection.send(this.answers.connack(false, offerOf(context.limits, assignedId)), 0);
    this.work = this.workOf(device, this.link(this.terms));
  }

  private workOf(device: DeviceId | undefined, link: SessionLink): SessionWork {
    const { contact } = this.options;
    if (device === undefined) return new ProvisioningWork(link, contact);
    return new DeviceWork(link, { device, values: this.context.valuesOf(device, contact) });
  }

  private link(terms: SessionTerms): SessionLink {
    const { connection, context, answers } = this;
    return {
      terms,
      limits: context.limits,
      answers,
      send: (frame, packetId) => connection.send(frame, packetId),
      hold: () => connection.hold(),
      resume: () => connection.resume(),
      idle: () => this.goWhenIdle(),
      refusePublication: (packet, code, reason) => this.refusePublication(packet, code, reason),
      cut: (reason, code) => this.cut(reason, code),
      note: (text, fields) => this.note(text, fields),
    };
  }

  private takePublish(packet: PublishPacket): void {
    const { counters } = this.context;
    counters.publications += 1;
    // CONNACK of MQTT 5 has said so: [MQTT-3.2.2-11], [MQTT-3.2.2-14]. Before it, retain has no meaning here.
    if (packet.qos === 2) this.cut('QoS 2 is not served', reasonCodes.qosNotSupported);
    else if (packet.retain && this.terms?.version === 5)
      this.cut('messages are not retained', reasonCodes.retainNotSupported);
    else this.work?.publish(packet);
  }

  /** Commands come without a subscription. The answer is for clients that wait for one. */
  private takeSubscribe({ packetId, subscriptions, properties }: SubscribePacket): void {
    if (properties?.subscriptionIdentifiers !== undefined) {
      this.cut('subscription identifiers are not served', reasonCodes.subscriptionIdsNotSupported);
      return;
    }
    const codes = subscriptions.map(({ filter, qos }) =>
      isImpliedFilter(filter) ? Math.min(qos, 1) : reasonCodes.notAuthorized,
    );
    this.connection.send(this.answers.suback(packetId, codes), 0);
  }

  private takeUnsubscribe({ packetId, filters }: UnsubscribePacket): void {
    const codes = filters.map(() => reasonCodes.noSubscriptionExisted);
    this.connection.send(this.answers.unsuback(packetId, codes), 0);
  }

  /** [MQTT-3.3.5-2] of 3.1.1: without a word for a refusal, the connection ends. */
  private refusePublication({ qos, packetId, topic }: PublishPacket, code: number, reason: string): void {
    this.context.counters.publicationsRefused += 1;
    this.note('a publication was refused', { reason, topic });
    if (this.terms?.version !== 5) this.connection.destroy();
    else if (qos === 1) this.connection.send(this.answers.ack('puback', packetId, code), packetId);
  }

  /** The entrance closes, or its rules have changed. What was published is answered first. */
  private drain(): void {
    this.isDraining = true;
    this.connection.hold();
    this.goWhenIdle();
  }

  private goWhenIdle(): void {
    if (!this.isDraining || this.work?.isIdle === false) return;
    this.leave(this.terms === undefined ? undefined : this.answers.disconnect(reasonCodes.serverShuttingDown));
  }

  private refuse({ reason, detail, code }: ConnectFault): void {
    this.context.counters.refused(reason);
    this.note('a client was refused', { reason, detail });
    const lastWord = this.answers.refusal(code);
    if (lastWord === undefined) this.connection.destroy();
    else this.leave(lastWord);
  }

  /** Ends a connection, and tells the client why where its version can. */
  private cut(reason: string, code: number): void {
    this.note('a session was ended', { reason });
    const lastWord = this.answers.disconnect(code);
    if (lastWord === undefined) this.connection.destroy();
    else this.leave(lastWord);
  }

  private leave(lastWord: Frame | undefined): void {
    this.endWork();
    if (lastWord !== undefined) this.connection.send(lastWord, 0);
    this.connection.end();
  }

  private endWork(): void {
    this.work?.end();
    this.work = undefined;
    this.context.left(this);
  }

  private note(text: string, fields: Readonly<Record<string, unknown>>): void {
    const { contact } = this.options;
    const device = this.device ?? contact.deviceId;
    const who = device === undefined ? {} : { deviceId: device };
    this.context.log.warn(text, device ?? contact.network, { ...fields, ...who, remoteAddress: contact.remoteAddress });
  }
}
