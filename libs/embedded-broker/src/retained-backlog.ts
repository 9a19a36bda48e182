import type { Qos } from '@sallyport/mqtt-wire';
import type { DeliveryOptions } from './delivery.js';
import type { RetainedMessage, RetainedMessages } from './retained-messages.js';
import type { SubscriptionOptions } from './subscription.js';

interface Request {
  readonly topics: readonly string[];
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
 * The retained messages that a session has still to get. They are taken when the client has room for them, so a filter
 * that matches everything costs names only.
 */
export class RetainedBacklog {
  private requests: Request[] = [];

  /** @param now milliseconds since 1970 */
  constructor(
    private readonly retained: RetainedMessages,
    private readonly now: () => number,
  ) {}

  get isEmpty(): boolean {
    return this.requests.length === 0;
  }

  /** @param mayReceive decides for each topic */
  add(subscription: SubscriptionOptions, asOf: number, mayReceive: (topic: string) => boolean): void {
    const topics = this.retained
      .matching(subscription.filter)
      .map(({ topic }) => topic)
      .filter(mayReceive);
    if (topics.length > 0) this.requests.push({ topics, subscription, asOf, next: 0 });
  }

  /** Forgets what a subscription that has ended was to get. */
  cancel(filter: string): void {
    this.requests = this.requests.filter(({ subscription }) => subscription.filter !== filter);
  }

  next(): DueMessage | undefined {
    for (let request = this.requests[0]; request !== undefined; request = this.requests[0]) {
      const message = this.nextOf(request);
      if (message !== undefined) return { message, options: optionsFor(message, request.subscription) };
      this.requests.shift();
    }
    return undefined;
  }

  /** A message that came after the subscription has reached the client as a live one. One that has expired is gone. */
  private nextOf(request: Request): RetainedMessage | undefined {
    for (let topic = request.topics[request.next]; topic !== undefined; topic = request.topics[request.next]) {
      request.next += 1;
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
