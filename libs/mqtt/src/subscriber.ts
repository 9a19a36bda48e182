import { createHash } from 'node:crypto';
import { within } from '@sallyport/concurrency';
import { Problem, type ProblemType } from '@sallyport/protocol';
import type { FailedMessage } from './dead-letters.js';
import type { MqttMessage } from './mqtt-session.js';
import type { MessageHandler } from './port.js';
import { toError } from './to-error.js';

const handlerDeadlineMs = 20_000;

// The store or another service is away. Then every message fails, and a revocation must not be given up for that.
const passingFaults: ReadonlySet<ProblemType> = new Set<ProblemType>(['unavailable', 'storage-full']);

/** A message that no later attempt can handle. */
export class UnusableMessage extends Error {
  override readonly name = 'UnusableMessage';
}

type Incoming = Pick<MqttMessage, 'topic' | 'payload'>;

export interface SubscriberOptions {
  readonly filter: string;
  readonly handler: MessageHandler;
  /**
   * After so many failures in a row the message is given up; undefined: the broker does not deliver it again. A Problem
   * `unavailable` or `storage-full` is not counted.
   */
  readonly mostFailures: number | undefined;
  /** Keeps a message whose handler will not be called for it any more. */
  readonly giveUp: (failed: FailedMessage) => Promise<void>;
}

/**
 * Decides what happens when a handler fails. A message is acknowledged only when its handler is done or when it is kept
 * as a dead letter. So no message is lost, and none blocks its subscription for ever.
 */
export class Subscriber {
  private failing: { readonly message: string; readonly times: number } | undefined;

  constructor(private readonly options: SubscriberOptions) {}

  /** Resolves when the message may be acknowledged; rejects when the broker must deliver it again. */
  readonly receive = async ({ topic, payload }: Incoming): Promise<void> => {
    const { filter, handler } = this.options;
    const late = () => new Error(`the handler of ${filter} took longer than ${handlerDeadlineMs} ms`);
    try {
      await within(Promise.resolve(handler(topic, payload)), handlerDeadlineMs, { late });
    } catch (error) {
      await this.decide(topic, payload, toError(error));
    }
    this.failing = undefined;
  };

  private async decide(topic: string, payload: Buffer, error: Error): Promise<void> {
    const { filter, mostFailures, giveUp } = this.options;
    const message = identify(topic, payload);
    const before = this.failing?.message === message ? this.failing.times : 0;
    const isPassing = error instanceof Problem && passingFaults.has(error.type);
    const failures = isPassing ? before : before + 1;
    this.failing = { message, times: failures };
    const hasFailedOften = !isPassing && mostFailures !== undefined && failures >= mostFailures;
    const isLast = hasFailedOften || error instanceof UnusableMessage;
    if (!isLast) throw new Error(`a message to ${filter} ${consequence(mostFailures)}`, { cause: error });
    // If this fails, the broker delivers the message again, and the next failure of the handler leads here again.
    await giveUp({ topic, payload, filter, failures, error });
  }
}

function consequence(mostFailures: number | undefined): string {
  return mostFailures === undefined
    ? 'could not be handled, so its subscription starts anew'
    : 'could not be handled and will be delivered again';
}

function identify(topic: string, payload: Buffer): string {
  return createHash('sha256').update(topic).update('\0').update(payload).digest('base64');
}
