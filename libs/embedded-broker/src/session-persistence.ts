import { Readable } from 'node:stream';
import { BoundedMap } from '@sallyport/concurrency';
import { isServiceTopic } from '@sallyport/protocol';
import { identityPrefix, isServiceSession } from './access-rules.js';
import { BrokerSession, type SharedMemory, type StoredPacket, type StoredSubscription } from './broker-session.js';
import type { EventJournal } from './event-journal.js';
import type { BrokerLimits } from './limits.js';
import type { RetainedMessages } from './retained-messages.js';
import { TopicTree } from './topic-tree.js';

/** aedes passes its client, or an object with the same id. */
interface ClientReference {
  readonly id: string;
}

interface MatchedSubscription {
  readonly clientId: string;
  readonly topic: string;
  readonly qos: number;
}

export interface PersistenceOptions {
  readonly limits: BrokerLimits;
  readonly retained: RetainedMessages;
  /** Without it the services' events are lost when the process ends. */
  readonly journal: EventJournal | undefined;
  readonly onWarning: (text: string, fields: Readonly<Record<string, unknown>>) => void;
}

// The journal forgets a service that never comes back. Until then the packet identifiers (65 535) bound its queue.
const serviceLimits = { queuedMessages: 60_000, queuedBytes: 64 * 1024 * 1024 };

/**
 * Sessions, queues and retained messages behind aedes' persistence interface (aedes-persistence 11): bounded in memory
 * for network clients, journaled for services.
 */
export class SessionPersistence {
  private readonly sessions = new Map<string, BrokerSession>();
  private readonly subscribers = new TopicTree<MatchedSubscription>();
  /** Identifiers of QoS 2 messages that wait for their PUBREL; aedes has passed the messages themselves on. */
  private readonly incoming: BoundedMap<string, Set<number>>;
  private readonly wills = new Map<string, unknown>();
  /** aedes makes a new packet object on the way, but keeps the payload's buffer. */
  private readonly journaled = new WeakMap<Buffer, string>();

  private readonly networkQueues: SharedMemory;
  /** Sessions that had a lost message logged already. */
  private readonly reportedFull = new WeakSet<BrokerSession>();
  private isRetainedFull = false;

  constructor(private readonly options: PersistenceOptions) {
    this.networkQueues = { used: 0, limit: options.limits.queuedBytesInAll };
    this.incoming = new BoundedMap(options.limits.sessions);
  }

  /** Called by aedes before the first client. */
  async setup(): Promise<void> {
    const { journal, retained } = this.options;
    await retained.load();
    const { sessions = [], events = [] } = (await journal?.load()) ?? {};
    for (const { name, subscriptions } of sessions) this.subscribe(this.sessionOf(name), subscriptions);
    for (const [index, { key, topic, payload, recipients }] of events.entries()) {
      const message = { cmd: 'publish', topic, payload, qos: 1, retain: false, journalKey: key } as const;
      const packet = { ...message, brokerId: 'journal', brokerCounter: index + 1 };
      for (const name of recipients) this.sessions.get(name)?.enqueue(packet);
    }
  }

  /**
   * Writes a service's event to disk for the services that subscribed to it; call it before the broker acknowledges.
   */
  async journalEvent(topic: string, payload: Buffer): Promise<void> {
    const { journal } = this.options;
    const recipients = [...this.subscribers.match(topic).keys()].filter(isServiceSession);
    if (journal === undefined || recipients.length === 0) return;
    this.journaled.set(payload, await journal.record(topic, payload, recipients));
  }

  async storeRetained(packet: StoredPacket & { readonly topic: string }): Promise<void> {
    if (this.options.retained.keep(packet)) {
      // One message was removed, so there may be room again.
      if (packet.payload?.length === 0) this.isRetainedFull = false;
      return;
    }
    const isOfService = isServiceTopic(packet.topic);
    // Services keep few messages, and a lost one matters. A client of the network could fill the log with warnings.
    if (isOfService || !this.isRetainedFull)
      this.options.onWarning('a retained message was not kept, the broker is full of them', { topic: packet.topic });
    if (!isOfService) this.isRetainedFull = true;
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.options.retained.matching(filters));
  }

  /**
   * Does nothing: aedes passes all subscriptions of the packet here, also refused ones. `keepSubscription` has kept
   * each granted one already.
   */
  async addSubscriptions(): Promise<void> {}

  /** Keeps a granted subscription of a durable session. */
  async keepSubscription({ id }: ClientReference, subscription: StoredSubscription): Promise<void> {
    const session = this.sessionOf(id);
    this.subscribe(session, [subscription]);
    if (isServiceSession(id)) await this.options.journal?.saveSession(id, [...session.subscriptions.values()]);
  }

  async removeSubscriptions(client: ClientReference, filters: readonly string[]): Promise<void> {
    const session = this.sessions.get(client.id);
    if (session === undefined) return;
    for (const filter of filters) {
      session.subscriptions.delete(filter);
      this.subscribers.delete(filter, client.id);
    }
    if (session.subscriptions.size === 0) await this.cleanSubscriptions(client);
    else if (isServiceSession(client.id))
      await this.options.journal?.saveSession(client.id, [...session.subscriptions.values()]);
  }

  async subscriptionsByClient({ id }: ClientReference): Promise<StoredSubscription[]> {
    return [...(this.sessions.get(id)?.subscriptions.values() ?? [])];
  }

  async subscriptionsByTopic(topic: string): Promise<MatchedSubscription[]> {
    const matched = [...this.subscribers.match(topic).values()];
    return isServiceTopic(topic) ? matched.filter(({ clientId }) => isServiceSession(clientId)) : matched;
  }

  /** Ends a session: its client asked for a clean one, or has no subscription left. */
  async cleanSubscriptions({ id }: ClientReference): Promise<void> {
    const session = this.sessions.get(id);
    if (session === undefined) return;
    this.sessions.delete(id);
    for (const filter of session.subscriptions.keys()) this.subscribers.delete(filter, id);
    for (const packet of session.unacknowledged) this.settle(packet, id);
    session.end();
    if (isServiceSession(id)) await this.options.journal?.forgetSession(id);
  }

  async outgoingEnqueue(subscription: { readonly clientId: string }, packet: StoredPacket): Promise<void> {
    await this.outgoingEnqueueCombi([subscription], packet);
  }

  async outgoingEnqueueCombi(
    subscriptions: readonly { readonly clientId: string }[],
    packet: StoredPacket,
  ): Promise<void> {
    const journalKey = packet.payload && this.journaled.get(packet.payload);
    // [MQTT-3.3.1-9]: a message for an existing subscription has retain 0.
    const message = { ...packet, retain: false, journalKey };
    for (const { clientId } of subscriptions) {
      const session = this.sessions.get(clientId);
      if (session?.enqueue(message) !== false) continue;
      this.settle(message, clientId);
      this.noteFull(session, packet.topic);
    }
  }

  /**
   * Ignores an unknown message: it had no room in the queue and goes to a connected client. An error would disconnect
   * it.
   */
  async outgoingUpdate({ id }: ClientReference, packet: StoredPacket): Promise<void> {
    this.sessions.get(id)?.update(packet);
  }

  async outgoingClearMessageId(
    { id }: ClientReference,
    { messageId }: StoredPacket,
  ): Promise<StoredPacket | undefined> {
    const session = this.sessions.get(id);
    const acknowledged = session?.acknowledge(messageId);
    if (session !== undefined && acknowledged !== undefined) {
      this.settle(acknowledged, id);
      if (session.isEmpty) this.reportedFull.delete(session);
    }
    return acknowledged;
  }

  outgoingStream({ id }: ClientReference): Readable {
    return Readable.from([...(this.sessions.get(id)?.unacknowledged ?? [])]);
  }

  async incomingStorePacket({ id }: ClientReference, { messageId = 0 }: StoredPacket): Promise<void> {
    const identifiers = this.incoming.get(id) ?? new Set<number>();
    // When the table is full, the oldest client's QoS 2 state is forgotten. It may get a duplicate; publishing never blocks.
    this.incoming.set(id, identifiers.add(messageId));
  }

  async incomingGetPacket({ id }: ClientReference, { messageId = 0 }: StoredPacket): Promise<StoredPacket> {
    if (this.incoming.get(id)?.has(messageId) !== true) throw new Error('no such packet');
    return { cmd: 'publish', messageId };
  }

  async incomingDelPacket({ id }: ClientReference, { messageId = 0 }: StoredPacket): Promise<void> {
    const identifiers = this.incoming.get(id);
    if (identifiers?.delete(messageId) !== true) throw new Error('no such packet');
    if (identifiers.size === 0) this.incoming.delete(id);
  }

  async cleanIncoming({ id }: ClientReference): Promise<void> {
    this.incoming.delete(id);
  }

  async putWill({ id }: ClientReference, will: unknown): Promise<void> {
    this.wills.set(id, will);
  }

  async delWill({ id }: ClientReference): Promise<unknown> {
    const will = this.wills.get(id);
    this.wills.delete(id);
    return will;
  }

  /** Wills left by other brokers of a cluster: there are none. */
  streamWill(): Readable {
    return Readable.from([]);
  }

  /** Writes what is not on disk yet. */
  async close(): Promise<void> {
    await this.options.retained.close();
    await this.options.journal?.close();
  }

  private sessionOf(name: string): BrokerSession {
    const existing = this.sessions.get(name);
    if (existing !== undefined) return existing;
    const { limits } = this.options;
    if (!isServiceSession(name)) this.checkRoom(name);
    const session = isServiceSession(name)
      ? new BrokerSession(name, serviceLimits)
      : new BrokerSession(name, limits, this.networkQueues);
    this.sessions.set(name, session);
    return session;
  }

  /** Logs once until the session is empty again: a busy topic would fill the log. */
  private noteFull(session: BrokerSession, topic: string | undefined): void {
    if (this.reportedFull.has(session)) return;
    this.reportedFull.add(session);
    this.options.onWarning('a message was not kept, its session is full', { session: session.name, topic });
  }

  private checkRoom(name: string): void {
    const { sessions, sessionsPerIdentity } = this.options.limits;
    const names = [...this.sessions.keys()].filter((each) => !isServiceSession(each));
    if (names.length >= sessions) throw new Error('the broker keeps no more sessions');
    const prefix = identityPrefix(name);
    if (prefix !== undefined && names.filter((each) => each.startsWith(prefix)).length >= sessionsPerIdentity)
      throw new Error('the broker keeps no more sessions of this client');
  }

  private subscribe(session: BrokerSession, subscriptions: readonly StoredSubscription[]): void {
    for (const { topic, qos } of subscriptions) {
      session.subscriptions.set(topic, { topic, qos });
      // Only QoS 1 and 2 are kept for a client that is away.
      if (qos > 0) this.subscribers.set(topic, session.name, { clientId: session.name, topic, qos });
      else this.subscribers.delete(topic, session.name);
    }
  }

  private settle({ journalKey }: StoredPacket, recipient: string): void {
    if (journalKey !== undefined) this.options.journal?.settle(journalKey, recipient);
  }
}
