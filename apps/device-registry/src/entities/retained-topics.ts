import { randomBytes, randomUUID } from 'node:crypto';
import { SerialQueue, within } from '@sallyport/concurrency';
import type { MqttMessage, MqttSession } from '@sallyport/mqtt';
import { Problem } from '@sallyport/protocol';
import type { MqttSessions } from '@sallyport/runtime';

const deadlineMs = 10_000;
// A broker sends kept messages to a new subscription as far as its queue goes, at least so many. If there were more, we
// look again.
const surelySent = 100;
const mostLooks = 50;

export interface RetainedTopicsOptions {
  readonly sessions: MqttSessions;
  /** Publishes an empty retained message. */
  readonly clear: (topic: string) => Promise<void>;
}

interface Listing {
  readonly mark: string;
  readonly kept: Set<string>;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Asks the broker what it keeps. The registry does not know all topics of an entity that may have a retained message. It
 * has a session of its own for this, opened with the first question.
 */
export class RetainedTopics {
  private readonly listings = new SerialQueue();
  private session: MqttSession | undefined;
  private listing: Listing | undefined;

  constructor(private readonly options: RetainedTopicsOptions) {}

  /**
   * Removes what the broker keeps of a removed entity: twin, settings, alarms, commands, states, and at last the
   * registration.
   *
   * @param topic of the entity
   * @throws Problem `unavailable`: the broker does not answer; some may be cleared already
   */
  async clearAll(topic: string): Promise<void> {
    for (let look = 0; look < mostLooks; look += 1) {
      const kept = (await this.listBelow(topic)).filter((each) => each !== topic);
      await Promise.all(kept.map((each) => this.options.clear(each)));
      if (kept.length < surelySent) return this.options.clear(topic);
    }
    throw new Problem('unavailable', `Retained messages below ${topic} keep coming back.`);
  }

  /** Whether an entity has a registration at the broker. @throws Problem `unavailable` */
  async hasRegistration(topic: string): Promise<boolean> {
    return (await this.listBelow(topic)).includes(topic);
  }

  /** The topic of an entity and those below it, as far as they have a retained message. */
  private listBelow(topic: string): Promise<string[]> {
    return this.list(`${topic}/#`, `${topic}/signal/${randomUUID()}`);
  }

  /**
   * The topics that have a retained message.
   *
   * @param mark a topic that the filter matches, and that nobody else uses
   * @throws Problem `unavailable`
   */
  list(filter: string, mark: string): Promise<string[]> {
    return this.listings.run(async () => {
      const listing = { mark, kept: new Set<string>(), done: Promise.withResolvers<void>() };
      this.listing = listing;
      this.session ??= this.open();
      await this.session.subscribe({ filter });
      try {
        await this.session.publish(mark, '');
        const late = () =>
          new Problem('unavailable', `The MQTT broker does not bring back what is published to ${mark}.`);
        await within(listing.done.promise, deadlineMs, { late });
      } finally {
        await this.session.unsubscribe(filter);
      }
      return [...listing.kept];
    });
  }

  async close(): Promise<void> {
    await this.session?.close();
  }

  private open(): MqttSession {
    return this.options.sessions.open(`retained/${randomBytes(6).toString('hex')}`, {
      isDurable: false,
      window: 64,
      onMessage: (message) => this.note(message),
      onFault: () => undefined,
    });
  }

  private note({ topic, payload, isRetained }: MqttMessage): void {
    if (this.listing === undefined) return;
    const { mark, kept, done } = this.listing;
    if (isRetained && topic !== mark && payload.length > 0) kept.add(topic);
    // The broker sends what it had kept before it sends what is published now. So this one ends the list.
    if (!isRetained && topic === mark) done.resolve();
  }
}
