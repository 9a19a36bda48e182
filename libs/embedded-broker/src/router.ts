import { type ClientLog, type Qos } from '@sallyport/mqtt-wire';
import { type AccessRules, isService } from './access-rules.js';
import type { BrokerJournal } from './broker-journal.js';
import type { BrokerCounters } from './counters.js';
import { costOf, type DeliveryOptions, noIdentifiers } from './delivery.js';
import type { BrokerLimits } from './limits.js';
import { Message, type Publication, sizeOf } from './message.js';
import { RetainedMessage, type RetainedMessages } from './retained-messages.js';
import type { Session } from './session.js';
import type { SessionTable } from './session-table.js';
import { Subscription, type SubscriptionOptions } from './subscription.js';
import { TopicTree } from './topic-tree.js';

export interface RouterOptions {
  readonly limits: BrokerLimits;
  readonly rules: AccessRules;
  readonly journal: BrokerJournal;
  readonly retained: RetainedMessages;
  readonly sessions: SessionTable;
  readonly counters: BrokerCounters;
  readonly nextMessageId: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: ClientLog;
}

/**
 * What became of a publication. `no-room`: what all clients have together is used up, or the share of the publisher.
 * `failing`: the journal cannot be written. Neither is acknowledged, and nobody got the message.
 */
export type PublishOutcome = 'delivered' | 'no-subscriber' | 'no-room' | 'failing';

/** A subscription that was granted is `new`, or takes the place of one with the same filter. */
export type SubscribeOutcome = 'new' | 'replaced' | 'no-room';

/** A session with those of its subscriptions that match a topic. */
interface Match {
  readonly session: Session;
  readonly subscriptions: readonly Subscription[];
  /** How messages of QoS 0, 1 and 2 are delivered, where that does not depend on the message. */
  readonly usual: readonly DeliveryOptions[] | undefined;
  /** Bytes that a message costs more than itself, at most. */
  readonly cost: number;
}

/** What is remembered for a topic: who gets each message, and groups of which one gets it. */
interface Receivers {
  readonly all: readonly Match[];
  readonly oneOf: readonly (readonly Match[])[];
}

interface MatchedSubscription {
  readonly session: Session;
  readonly subscription: Subscription;
}

/** In all of them: a topic may have 65,535 bytes, and thousands of subscriptions may match it. */
const mostRememberedBytes = 4 * 1024 * 1024;
const bytesOfTopic = 200;
const bytesOfSubscription = 16;

/** Brings publications to the sessions whose subscriptions match, and keeps retained ones. */
export class Router {
  private readonly tree = new TopicTree<MatchedSubscription>();
  private readonly matched = new Map<Subscription, MatchedSubscription>();
  /** By topic; forgotten when a subscription changes. */
  private readonly remembered = new Map<string, Receivers>();
  private rememberedBytes = 0;
  /** Subscriptions that were looked at for publications, and receivers. */
  private effort = 0;
  /** Counts messages for shared subscriptions, so that the members of a group take turns. */
  private turn = 0;

  constructor(private readonly options: RouterOptions) {}

  /** Grants a subscription, which an access rule has allowed. */
  subscribe(session: Session, options: SubscriptionOptions): SubscribeOutcome {
    const former = session.subscriptions.get(options.filter);
    if (former === undefined && this.lacksSubscription(session)) return 'no-room';
    const subscription = new Subscription(session.number, options);
    if (former === undefined) session.share.take('subscriptions', 1);
    else this.unlink(former);
    this.link(session, subscription);
    if (!session.isKept) return former === undefined ? 'new' : 'replaced';
    if (former !== undefined) this.options.journal.forget(former);
    this.options.journal.keep(subscription);
    return former === undefined ? 'new' : 'replaced';
  }

  /** How much work the publications since the last call were, in publications with one receiver. */
  takeEffort(): number {
    const { effort } = this;
    this.effort = 0;
    return effort;
  }

  /** Puts back what the journal kept. */
  restore(session: Session, subscription: Subscription): void {
    session.share.take('subscriptions', 1);
    this.link(session, subscription);
  }

  /** Returns whether there was such a subscription. */
  unsubscribe(session: Session, filter: string): boolean {
    const subscription = session.subscriptions.get(filter);
    if (subscription === undefined) return false;
    session.subscriptions.delete(filter);
    session.backlog.cancel(filter);
    session.share.take('subscriptions', -1);
    this.unlink(subscription);
    if (session.isKept) this.options.journal.end(subscription, (writer) => subscription.writeEnd(writer));
    return true;
  }

  /** Ends all subscriptions of a session that is forgotten. */
  forget(session: Session): void {
    for (const subscription of session.subscriptions.values()) this.unlink(subscription);
  }

  /** The access rules have changed: what was decided for a topic is decided anew. */
  rulesChanged(): void {
    this.forgetReceivers();
  }

  /** Sends the retained messages of a subscription, as the client reads them. */
  sendRetained(session: Session, options: SubscriptionOptions): void {
    const { rules, nextMessageId } = this.options;
    session.backlog.add(options, nextMessageId(), (topic) => rules.mayReceive(session.origin, topic));
    session.outbox.pump();
  }

  /** Brings a publication to its receivers. All of it is in the journal when `committed` reaches its position. */
  publish(publication: Publication, publisher: Session): PublishOutcome {
    const matches = this.receiversOf(publication.topic);
    this.effort += 1 + matches.length;
    if (this.cannotKeep(publication, matches)) return 'failing';
    if (this.lacksRoom(publication, matches)) {
      this.noteNoRoom(publication.topic, publisher.owner);
      return 'no-room';
    }
    const message = new Message(this.options.nextMessageId(), publication, this.options.now());
    message.publishedBy = publisher.owner;
    if (publication.retain && !this.retain(publication, publisher.owner, message) && publication.qos > 0)
      return 'no-room';
    if (matches.length === 0) return 'no-subscriber';
    // A QoS 2 message waits in its queues until it is in the journal.
    if (message.qos === 2) message.position = Number.POSITIVE_INFINITY;
    for (const match of matches) this.deliver(message, match, { publisher, retain: publication.retain });
    publisher.holder?.published(message.size * matches.length);
    if (message.awaited > 0) this.options.journal.keep(message);
    if (message.qos === 2) this.sendWhenKept(message, matches, publisher);
    return 'delivered';
  }

  private deliver(message: Message, match: Match, from: { publisher: Session; retain: boolean }): void {
    const options = match.usual?.[message.qos] ?? deliveryOptions(message, match, from);
    if (options === undefined) return;
    const { session } = match;
    const outcome = session.outbox.offer(message, options);
    if (outcome === 'taken') this.noteTaken(session);
    else if (outcome !== 'away') this.noteLoss(session, message.topic, options.qos);
    // Nobody waits because of QoS 0: the outbox drops what is too much.
    if (options.qos > 0 && mayHoldUp(session, from.publisher)) session.outbox.holdIfCrowding(from.publisher);
  }

  private sendWhenKept(message: Message, matches: readonly Match[], publisher: Session): void {
    const pump = () => {
      for (const { session } of matches) session.outbox.pump();
    };
    message.position = message.awaited > 0 || publisher.isKept ? this.options.journal.position : 0;
    if (message.position <= this.options.journal.committed) pump();
    else this.options.journal.whenCommitted({ committed: pump });
  }

  /** Returns false when there is no room. */
  private retain(publication: Publication, owner: string, { id, publishedAt }: Message): boolean {
    const { retained, journal, log } = this.options;
    const { topic, payload } = publication;
    // QoS 0. Records that wait for the disk are in memory, and nobody bounds how many a client sends.
    if (journal.isFailing) return false;
    if (payload.length === 0) {
      retained.remove(topic);
      return true;
    }
    const shortage = retained.keep(new RetainedMessage(publication, owner, id, publishedAt));
    if (shortage === undefined) return true;
    const whose = shortage === 'all' ? 'the broker is full of them' : 'its publisher has used its share';
    log.warn(`a retained message was not kept, ${whose}`, owner, { topic, owner });
    return false;
  }

  private cannotKeep({ qos, retain }: Publication, matches: readonly Match[]): boolean {
    if (!this.options.journal.isFailing || qos === 0) return false;
    return retain || matches.some(({ session }) => session.isKept);
  }

  /** The client sends again what was not acknowledged. */
  private noteNoRoom(topic: string, owner: string): void {
    this.options.log.warn('a publication was not acknowledged, the queues of all clients are full', owner, { topic });
  }

  /** Whether a session would lose the message although it is within its share: others have used up all the room. */
  private lacksRoom(publication: Publication, matches: readonly Match[]): boolean {
    if (publication.qos === 0) return false;
    const size = sizeOf(publication);
    let most = 0;
    for (const { cost } of matches) most += size + cost;
    if (most <= this.options.sessions.freeBytes) return false;
    return matches.some(
      ({ session, cost }) => session.isKept && session.outbox.shortageFor(size + cost) === 'all-full',
    );
  }

  private receiversOf(topic: string): readonly Match[] {
    const { all, oneOf } = this.remembered.get(topic) ?? this.findReceivers(topic);
    return oneOf.length === 0 ? all : [...all, ...oneOf.flatMap((members) => this.memberOf(members) ?? [])];
  }

  /** @see MQTT 5.0 §4.8.2: each member has its turn; those who are away get a message when all are away */
  private memberOf(members: readonly Match[]): Match | undefined {
    this.turn += 1;
    const present = members.filter(({ session }) => session.holder !== undefined);
    const candidates = present.length === 0 ? members : present;
    return candidates[this.turn % candidates.length];
  }

  private findReceivers(topic: string): Receivers {
    const bySession = new Map<Session, Subscription[]>();
    const groups = new Map<string, Match[]>();
    const found = this.tree.match(topic);
    this.effort += found.length;
    const permitted = found.filter(({ session }) => this.options.rules.mayReceive(session.origin, topic));
    for (const { session, subscription } of permitted) {
      if (!subscription.isShared) append(bySession, session, subscription);
      else append(groups, subscription.options.filter, matchOf(session, [subscription]));
    }
    const all = [...bySession].map(([session, subscriptions]) => matchOf(session, subscriptions));
    const receivers = { all, oneOf: [...groups.values()] };
    this.remember(topic, receivers, permitted.length);
    return receivers;
  }

  private remember(topic: string, receivers: Receivers, subscriptions: number): void {
    const bytes = topic.length + bytesOfTopic + subscriptions * bytesOfSubscription;
    if (this.rememberedBytes + bytes > mostRememberedBytes) this.forgetReceivers();
    this.rememberedBytes += bytes;
    this.remembered.set(topic, receivers);
  }

  private forgetReceivers(): void {
    this.remembered.clear();
    this.rememberedBytes = 0;
  }

  private lacksSubscription(session: Session): boolean {
    const { subscriptionsPerClient } = this.options.limits;
    return (
      session.subscriptions.size >= subscriptionsPerClient || session.share.shortage('subscriptions', 1) !== undefined
    );
  }

  private link(session: Session, subscription: Subscription): void {
    const matched = { session, subscription };
    session.subscriptions.set(subscription.options.filter, subscription);
    this.matched.set(subscription, matched);
    this.tree.add(subscription.topicFilter, matched);
    this.forgetReceivers();
  }

  private unlink(subscription: Subscription): void {
    const matched = this.matched.get(subscription);
    if (matched === undefined) return;
    this.matched.delete(subscription);
    this.tree.delete(subscription.topicFilter, matched);
    this.forgetReceivers();
  }

  private noteTaken(session: Session): void {
    this.options.counters.messagesSent += 1;
    if (session.lost > 0 && session.outbox.queuedMessages <= 1) session.lost = 0;
  }

  /** The session loses the message; its share is its own. The log says so once, until its queue is empty. */
  private noteLoss(session: Session, topic: string, qos: number): void {
    this.options.counters.dropped[qos === 0 ? 'slow-reader' : 'session-full'] += 1;
    session.lost += 1;
    if (session.lost === 1)
      this.options.log.warn('a message was not kept, its session is full', session.owner, {
        session: session.name,
        topic,
      });
  }
}

/**
 * Whether a publisher that fills the queue of a receiver may have to wait for it. A service works for all devices. One device
 * that reads as slowly as it likes must not hold up a service, and with it all the others.
 */
function mayHoldUp(receiver: Session, publisher: Session): boolean {
  return receiver !== publisher && (!isService(publisher.origin) || isService(receiver.origin));
}

function matchOf(session: Session, subscriptions: readonly Subscription[]): Match {
  const cost = costOf(0, { identifiers: identifiersOf(subscriptions) });
  return { session, subscriptions, usual: usualOptions(subscriptions), cost };
}

function append<Key, Item>(lists: Map<Key, Item[]>, key: Key, item: Item): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

/** What holds for every message, when no subscription asks for more than QoS. */
function usualOptions(subscriptions: readonly Subscription[]): readonly DeliveryOptions[] | undefined {
  if (subscriptions.some(({ options }) => options.noLocal || options.retainAsPublished)) return undefined;
  return ([0, 1, 2] as const).map((qos) => optionsFor(subscriptions, qos));
}

function lower(highest: number): 0 | 1 {
  return highest >= 1 ? 1 : 0;
}

function deliveryOptions(
  { qos }: Message,
  { session, subscriptions }: Match,
  { publisher, retain }: { publisher: Session; retain: boolean },
): DeliveryOptions | undefined {
  const concerned = subscriptions.filter(({ options }) => !(options.noLocal && session === publisher));
  const usual = concerned.length === 0 ? undefined : optionsFor(concerned, qos);
  return usual && { ...usual, retain: retain && concerned.some(({ options }) => options.retainAsPublished) };
}

/** [MQTT-3.3.5-1]: of overlapping subscriptions, the highest QoS counts. */
function optionsFor(subscriptions: readonly Subscription[], qos: Qos): DeliveryOptions {
  const highest = Math.max(...subscriptions.map(({ options }) => options.qos));
  return { qos: qos <= highest ? qos : lower(highest), retain: false, identifiers: identifiersOf(subscriptions) };
}

function identifiersOf(subscriptions: readonly Subscription[]): readonly number[] {
  const identifiers = subscriptions.flatMap(({ options }) => options.identifier ?? []);
  return identifiers.length === 0 ? noIdentifiers : identifiers;
}
