import { type Qos, type TurnBudget } from '@sallyport/mqtt-wire';
import type { DeliveryOptions } from './delivery.js';
import type { RetainedMessage, RetainedMessages } from './retained-messages.js';
import type { SubscriptionOptions } from './subscription.js';

interface Request {
  /** Found when the request has its turn. */
  topics: readonly string[] | undefined;
  readonly mayReceive: (topic: string) => boolean;
  readonly subscription: SubscriptionOptions;
  /** The newest message at the time of the subscription. */
  readonly asOf: number;
  next: number;
}

/** A retained message that is due, and how it is delivered. */
export interface DueMessage {
  readonly message: RetainedMessage;
  readonly options: DeliveryOptions;
}

/**
 * The retained messages that a session has still to get. They are taken when the client has room for them. The topics of
 * one filter are looked up in one turn of the event loop, and of many filters in the turns of the owner: a client may ask
 * for a thousand filters that match everything, over a hundred connections.
 */
export class RetainedBacklog {
  private requests: Request[] = [];
  private isResting = false;
  private isWaiting = false;
  private onReady: (() => void) | undefined;

  /** @param now milliseconds since 1970 */
  constructor(
    private readonly retained: RetainedMessages,
    private readonly now: () => number,
  ) {}

  get isEmpty(): boolean {
    return this.requests.length === 0;
  }

  /**
   * A subscription that comes again begins again.
   *
   * @param mayReceive decides for each topic when its message is due
   */
  add(subscription: SubscriptionOptions, asOf: number, mayReceive: (topic: string) => boolean): void {
    if (this.requests.length > 0) this.cancel(subscription.filter);
    this.requests.push({ topics: undefined, mayReceive, subscription, asOf, next: 0 });
  }

  /** Forgets what a subscription that has ended was to get. */
  cancel(filter: string): void {
    this.requests = this.requests.filter(({ subscription }) => subscription.filter !== filter);
  }

  /**
   * Undefined when there is none, or none in this turn; then `whenReady` says when to ask again.
   *
   * @param budget of the owner of the session
   */
  next(budget?: TurnBudget): DueMessage | undefined {
    for (let request = this.requests[0]; request !== undefined; request = this.requests[0]) {
      if (budget?.isSpent === true || (request.topics === undefined && this.isResting)) return undefined;
      request.topics ??= this.lookUp(request);
      const message = this.nextOf(request, request.topics);
      if (message !== undefined) return { message, options: optionsFor(message, request.subscription) };
      this.requests.shift();
    }
    return undefined;
  }

  /** The message that `next` gave last could not be delivered: it comes again. */
  putBack(): void {
    const [request] = this.requests;
    if (request !== undefined) request.next -= 1;
  }

  /** Calls back in a later turn, when something is left. */
  whenReady(callback: () => void, budget?: TurnBudget): void {
    if (this.isEmpty) return;
    if (budget?.isSpent === true) this.waitForTurn(callback, budget);
    else if (this.isResting) this.onReady = callback;
  }

  private waitForTurn(callback: () => void, budget: TurnBudget): void {
    if (this.isWaiting) return;
    this.isWaiting = true;
    budget.wait(() => {
      this.isWaiting = false;
      callback();
    });
  }

  private lookUp({ subscription }: Request): string[] {
    this.isResting = true;
    setImmediate(() => this.endRest());
    return this.retained.matching(subscription.filter).map(({ topic }) => topic);
  }

  private endRest(): void {
    this.isResting = false;
    const { onReady } = this;
    this.onReady = undefined;
    onReady?.();
  }

  /** A message that came after the subscription has reached the client as a live one. One that has expired is gone. */
  private nextOf(request: Request, topics: readonly string[]): RetainedMessage | undefined {
    for (let topic = topics[request.next]; topic !== undefined; topic = topics[request.next]) {
      request.next += 1;
      // Not when the topics are looked up: a slow client gets them over a long time, and the rules may change meanwhile.
      if (!request.mayReceive(topic)) continue;
      const message = this.retained.get(topic);
      if (message !== undefined && message.expiresAt <= this.now()) this.retained.remove(topic);
      else if (message !== undefined && message.id <= request.asOf) return message;
    }
    return undefined;
  }
}

function optionsFor(message: RetainedMessage, { qos, identifier }: SubscriptionOptions): DeliveryOptions {
  const granted: Qos = message.qos < qos ? message.qos : qos;
  return { qos: granted, retain: true, identifiers: identifier === undefined ? [] : [identifier] };
}
