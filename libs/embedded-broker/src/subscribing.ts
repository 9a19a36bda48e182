import {
  type ClientLog,
  inTurns,
  reasonCodes,
  type SubscribePacket,
  type SubscriptionRequest,
  type TurnBudget,
  type UnsubscribePacket,
} from '@sallyport/mqtt-wire';
import { sharedFilter } from '@sallyport/protocol';
import type { AccessRules } from './access-rules.js';
import type { BrokerJournal } from './broker-journal.js';
import type { BrokerLimits } from './limits.js';
import type { Router } from './router.js';
import type { Session } from './session.js';
import type { SubscriptionOptions } from './subscription.js';
import { levelsOf } from './topic-levels.js';

export interface SubscribingContext {
  readonly limits: BrokerLimits;
  readonly rules: AccessRules;
  readonly journal: BrokerJournal;
  readonly router: Router;
  readonly log: ClientLog;
}

/** The connection whose client subscribes. */
export interface Subscriber {
  /** No packet is read until `resume`. */
  hold(): void;
  resume(): void;
  /** Whether it still has the session. */
  isUsing(session: Session): boolean;
  /** What its owner may take of a turn; absent for a service. */
  readonly budget: TurnBudget | undefined;
  /** Sends SUBACK. */
  answer(packetId: number, codes: readonly number[]): void;
  /** Sends UNSUBACK. */
  answerEnd(packetId: number, codes: readonly number[]): void;
  fail(reason: string): void;
}

/** A subscription with the identifier that its packet gives to all of them. */
type GrantRequest = SubscriptionRequest & SubscriptionOptions;

interface Grant {
  /** For SUBACK. */
  readonly code: number;
  /** The subscription whose retained messages the client gets now. */
  readonly retainedOf: SubscriptionOptions | undefined;
}

// One packet may have 20,000 filters. With more than so many, others are served in between.
const filtersAtOnce = 50;

/** Serves the SUBSCRIBE and UNSUBSCRIBE packets of one connection. */
export class Subscribing {
  constructor(
    private readonly context: SubscribingContext,
    private readonly subscriber: Subscriber,
  ) {}

  take(packet: SubscribePacket, session: Session | undefined): void {
    if (session === undefined) return;
    if (packet.subscriptions.length <= filtersAtOnce && this.takeAtOnce(packet, session)) return;
    this.holdDuring(this.takeInTurns(packet, session), session);
  }

  /** UNSUBSCRIBE. */
  takeAway({ packetId, filters }: UnsubscribePacket, session: Session | undefined): void {
    if (session === undefined) return;
    const end = (filter: string) =>
      this.context.router.unsubscribe(session, filter) ? reasonCodes.success : reasonCodes.noSubscriptionExisted;
    if (filters.length <= filtersAtOnce) this.subscriber.answerEnd(packetId, filters.map(end));
    else this.holdDuring(this.takeAwayInTurns({ packetId, filters, end }, session), session);
  }

  /** The client's next packet must not overtake this one. */
  private holdDuring(work: Promise<void>, session: Session): void {
    this.subscriber.hold();
    work.then(
      () => this.subscriber.resume(),
      (error: unknown) => {
        this.context.log.warn('the access rules could not decide', session.owner, { error });
        this.subscriber.fail('the access rules could not decide');
      },
    );
  }

  private async takeAwayInTurns(
    { packetId, filters, end }: Pick<UnsubscribePacket, 'packetId' | 'filters'> & { end: (filter: string) => number },
    session: Session,
  ): Promise<void> {
    const codes: number[] = [];
    const endOne = (filter: string): boolean => {
      if (!this.subscriber.isUsing(session)) return false;
      codes.push(end(filter));
      return true;
    };
    await inTurns(filters, endOne, this.subscriber.budget);
    if (codes.length === filters.length) this.subscriber.answerEnd(packetId, codes);
  }

  /** Returns false, and has done nothing, when a rule does not decide at once. */
  private takeAtOnce(packet: SubscribePacket, session: Session): boolean {
    const decisions = packet.subscriptions.map(({ filter }) => this.maySubscribe(filter, session));
    if (decisions.some((decision) => typeof decision !== 'boolean')) return false;
    const grants = requestsOf(packet).map((request, index) => this.grant(request, session, decisions[index] === true));
    this.answer(packet, session, grants);
    return true;
  }

  private async takeInTurns(packet: SubscribePacket, session: Session): Promise<void> {
    const grants: Grant[] = [];
    const grantOne = (request: GrantRequest, isAllowed: boolean): boolean => {
      if (!this.subscriber.isUsing(session)) return false;
      grants.push(this.grant(request, session, isAllowed));
      return true;
    };
    const take = (request: GrantRequest) => {
      const decision = this.maySubscribe(request.filter, session);
      if (typeof decision === 'boolean') return grantOne(request, decision);
      return decision.then((isAllowed) => grantOne(request, isAllowed));
    };
    await inTurns(requestsOf(packet), take, this.subscriber.budget);
    if (grants.length === packet.subscriptions.length) this.answer(packet, session, grants);
  }

  private answer({ packetId }: SubscribePacket, session: Session, grants: readonly Grant[]): void {
    this.subscriber.answer(
      packetId,
      grants.map(({ code }) => code),
    );
    for (const { retainedOf } of grants)
      if (retainedOf !== undefined) this.context.router.sendRetained(session, retainedOf);
  }

  private grant(request: GrantRequest, session: Session, isAllowed: boolean): Grant {
    const { router, journal } = this.context;
    if (!isAllowed) return this.refuse(request.filter, session, reasonCodes.notAuthorized);
    if (session.isKept && journal.isFailing)
      return this.refuse(request.filter, session, reasonCodes.implementationSpecificError);
    const outcome = router.subscribe(session, request);
    if (outcome === 'no-room') return this.refuse(request.filter, session, reasonCodes.quotaExceeded);
    // MQTT 5.0 §3.8.3.1, and §4.8.2: a shared subscription gets no retained messages.
    const { retainHandling, filter, qos } = request;
    const wantsRetained = retainHandling === 0 || (retainHandling === 1 && outcome === 'new');
    const isShared = sharedFilter(filter) !== undefined;
    return { code: qos, retainedOf: wantsRetained && !isShared ? request : undefined };
  }

  private refuse(filter: string, session: Session, code: number): Grant {
    this.context.log.warn('a subscription was refused', session.owner, { session: session.name, filter });
    return { code, retainedOf: undefined };
  }

  private maySubscribe(filter: string, session: Session): boolean | Promise<boolean> {
    if (levelsOf(filter) > this.context.limits.topicLevels) return false;
    return this.context.rules.maySubscribe(session.origin, filter, session.name);
  }
}

function requestsOf({ subscriptions, properties }: SubscribePacket): GrantRequest[] {
  const identifier = properties?.subscriptionIdentifiers?.[0];
  return subscriptions.map((request) => ({ ...request, identifier }));
}
