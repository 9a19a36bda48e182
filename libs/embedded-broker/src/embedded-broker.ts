import type { EventEmitter } from 'node:events';
import { type Duplex, duplexPair } from 'node:stream';
import { MqttAccess } from '@sallyport/protocol';
import type { Store } from '@sallyport/store';
import {
  Aedes,
  type AedesOptions,
  type AedesPublishPacket,
  type AuthenticateError,
  type Client,
  type Subscription,
} from 'aedes';
import { type AccessRules, type BrokerPeer, type Origin, sessionName, tableRules } from './access-rules.js';
import { ClientStream } from './client-stream.js';
import { EventJournal } from './event-journal.js';
import { type BrokerLimits, defaultBrokerLimits } from './limits.js';
import { RetainedMessages } from './retained-messages.js';
import { SessionPersistence } from './session-persistence.js';

export interface EmbeddedBrokerOptions {
  /**
   * Keeps the services' events and retained messages over a restart. Without it they are lost when the process ends. A
   * service that restarts alone loses nothing either way.
   */
  readonly store?: Store;
  readonly limits?: Partial<BrokerLimits>;
  /** Default: the access table without rules of a site. */
  readonly rules?: AccessRules;
  readonly onWarning?: (text: string, fields: Readonly<Record<string, unknown>>) => void;
}

// MQTT 3.1.1 §3.2.2.3: the client identifier is correct UTF-8 but not allowed by the server.
const identifierRejected = 2;

/**
 * The MQTT 3.1.1 broker of the one-process installation.
 *
 * Services connect in memory; only they may use `sallyport/v1/#`. Clients of the network connect through a secure
 * listener, which ends their connections when they are revoked. A session belongs to the identity that the certificate
 * proved. The client id only distinguishes sessions of one identity. `$` topics and shared subscriptions are refused.
 */
export class EmbeddedBroker {
  /** Resolves when clients are being served; rejects when what an earlier run stored cannot be read. */
  readonly ready: Promise<void>;
  private readonly limits: BrokerLimits;
  private readonly rules: AccessRules;
  private readonly persistence: SessionPersistence;
  private readonly aedes: Aedes;
  private readonly origins = new WeakMap<object, Origin>();
  private readonly refused = new WeakSet<Client>();
  /** Clients that had a refused subscription logged already. */
  private readonly reported = new WeakSet<Client>();
  private readonly subscribed = new WeakMap<Client, Set<string>>();
  private readonly warn: NonNullable<EmbeddedBrokerOptions['onWarning']>;
  private networkClients = 0;

  constructor(options: EmbeddedBrokerOptions = {}) {
    this.limits = { ...defaultBrokerLimits, ...options.limits };
    this.rules = options.rules ?? tableRules(new MqttAccess());
    this.warn = options.onWarning ?? ((text, fields) => process.emitWarning(`${text} ${JSON.stringify(fields)}`));
    this.persistence = this.makePersistence(options.store);
    this.aedes = this.makeAedes();
    this.ready = this.aedes.listen();
    this.ready.catch((error: unknown) => this.warn('the broker could not start', { error }));
  }

  /** Connections from the network at the moment. */
  get clients(): number {
    return this.networkClients;
  }

  /** A connection for a service of this process: write MQTT into it, read MQTT out of it. */
  openStream(): Duplex {
    const [serviceSide, brokerSide] = duplexPair();
    // A socket closes when the other side has closed. This pair would stay half open for ever.
    serviceSide.once('end', () => serviceSide.destroy());
    void this.serve(brokerSide, { kind: 'service' });
    return serviceSide;
  }

  /**
   * Serves a client of the network; made for the `stream` handler of a secure listener.
   *
   * @param peer who it is, when it proved that
   */
  accept(socket: Duplex, peer: BrokerPeer | undefined): void {
    if (this.networkClients >= this.limits.clients) {
      this.warn('a client was turned away, the broker is full', { clients: this.networkClients });
      socket.destroy();
      return;
    }
    this.networkClients += 1;
    const stream = new ClientStream(socket, this.limits.packetBytes);
    stream.once('close', () => {
      this.networkClients -= 1;
    });
    void this.serve(stream, { kind: 'network', peer });
  }

  /** Ends every connection and writes what is not on disk yet. Safe to call twice. */
  async close(): Promise<void> {
    // A broker that could not start has logged that, and has nothing to close.
    const isServing = await this.ready.then(
      () => true,
      () => false,
    );
    if (!isServing) return;
    await new Promise<void>((resolve) => this.aedes.close(resolve));
    await this.persistence.close();
  }

  private async serve(stream: Duplex, origin: Origin): Promise<void> {
    this.origins.set(stream, origin);
    // aedes adds its error listener in the next turn. An error before that must end this connection, not the process.
    stream.on('error', () => undefined);
    try {
      await this.ready;
      if (!stream.destroyed) this.aedes.handle(stream);
    } catch (error) {
      stream.destroy(error instanceof Error ? error : new Error(String(error)));
    }
  }

  private makePersistence(store: Store | undefined): SessionPersistence {
    const { limits, warn } = this;
    const onFault = (error: unknown) => warn('the broker could not write to its store', { error });
    const journal = store === undefined ? undefined : new EventJournal({ store, onFault });
    return new SessionPersistence({
      limits,
      journal,
      retained: new RetainedMessages({ limits, store, onFault }),
      onWarning: warn,
    });
  }

  private makeAedes(): Aedes {
    const { limits } = this;
    const aedes = new Aedes({
      ...this.decisions(),
      persistence: this.persistence,
      connectTimeout: limits.connectMs,
      drainTimeout: limits.drainMs,
      keepaliveLimit: limits.keepaliveSeconds,
      queueLimit: limits.earlyPackets,
      maxTopicLevels: limits.topicLevels,
      // Session names are longer than the client ids in them, which `preConnect` measures.
      maxClientsIdLength: 1_024,
    });
    // The types of aedes do not declare this event. Without a listener it would end the process.
    const emitter: EventEmitter = aedes;
    emitter.on('error', (error) => this.warn('the broker could not pass a message on', { error }));
    aedes.on('unsubscribe', (filters, client) => {
      for (const filter of filters) this.subscribed.get(client)?.delete(filter);
    });
    return aedes;
  }

  private decisions(): AedesOptions {
    return {
      preConnect: (client, packet, done) => {
        this.nameSession(client, packet);
        done(null, true);
      },
      authenticate: (client, _username, _password, done) => {
        if (this.refused.has(client)) done(idRejected(), false);
        else done(null, true);
      },
      authorizePublish: (client, packet, done) => void this.authorizePublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) => void this.authorizeSubscribe(client, subscription, done),
      authorizeForward: (client, packet) =>
        this.rules.mayReceive(this.originOf(client), packet.topic) ? packet : null,
    };
  }

  /** Puts the proven identity in front of the client id, before aedes looks for a session of that name. */
  private nameSession(client: Client, packet: { clientId: string; clean?: boolean }): void {
    const name = sessionName(this.originOf(client), packet.clientId, packet.clean ?? true);
    if (name === undefined || packet.clientId.length > this.limits.clientIdLength) this.refused.add(client);
    packet.clientId = name ?? 'refused';
  }

  /** An error ends the connection: MQTT 3.1.1 has no other answer to a publication that is not allowed. */
  private async authorizePublish(
    client: Client | null,
    packet: Pick<AedesPublishPacket, 'topic' | 'payload' | 'qos'>,
    done: (error?: Error | null) => void,
  ): Promise<void> {
    const origin = client === null ? undefined : this.originOf(client);
    if (origin === undefined || !this.rules.mayPublish(origin, packet.topic)) {
      this.warn('a publication was refused', { session: client?.id, topic: packet.topic });
      done(new Error(`publishing to ${JSON.stringify(packet.topic)} is not allowed`));
      return;
    }
    try {
      // aedes sends PUBACK before it stores the message. So we write what must not be lost to disk first.
      if (origin.kind === 'service' && packet.qos > 0 && Buffer.isBuffer(packet.payload))
        await this.persistence.journalEvent(packet.topic, packet.payload);
      done(null);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Null answers this subscription with failure (SUBACK 0x80) and leaves the others of the packet alone. */
  private async authorizeSubscribe(
    client: Client,
    subscription: Subscription,
    done: (error: Error | null, granted?: Subscription | null) => void,
  ): Promise<void> {
    try {
      // We do not await a rule that decides at once: the client's next packet must not overtake this one.
      const isAllowed = this.rules.maySubscribe(this.originOf(client), subscription.topic, client.id);
      if ((isAllowed !== true && !(await isAllowed)) || !this.takeSubscription(client, subscription.topic)) {
        this.noteRefusal(client, subscription.topic);
        done(null, null);
        return;
      }
      if (!client.clean) await this.persistence.keepSubscription(client, subscription);
      done(null, subscription);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Once for each connection: one packet may ask for a hundred thousand filters. */
  private noteRefusal(client: Client, filter: string): void {
    if (this.reported.has(client)) return;
    this.reported.add(client);
    this.warn('a subscription was refused', { session: client.id, filter });
  }

  /** Whether the client has a subscription left for the filter; counts it when so. */
  private takeSubscription(client: Client, filter: string): boolean {
    const filters = this.subscribed.get(client) ?? new Set<string>();
    if (!filters.has(filter) && filters.size >= this.limits.subscriptionsPerClient) return false;
    this.subscribed.set(client, filters.add(filter));
    return true;
  }

  private originOf(client: Client): Origin {
    return this.origins.get(client.conn) ?? { kind: 'network', peer: undefined };
  }
}

function idRejected(): AuthenticateError {
  return Object.assign(new Error('the client id is not allowed'), { returnCode: identifierRejected });
}
