import { createHash } from 'node:crypto';
import { within } from '@sallyport/concurrency';
import type { MessageHandler } from './port.js';
import { toError } from './to-error.js';

const handlerDeadlineMs = 20_000;
const failuresInARow = 20;

/**
 * The rules between a broker that delivers at least once and a handler that may fail: no acknowledgement before the
 * handler is done, and no message that blocks its subscription for ever.
 */
export class Subscriber {
  private failing: { readonly message: string; readonly times: number } | undefined;

  constructor(
    private readonly filter: string,
    private readonly handler: MessageHandler,
    private readonly onFault: (fault: Error) => void,
  ) {}

  /** Resolves when the message may be acknowledged; rejects when the broker must deliver it again. */
  readonly receive = async (topic: string, payload: Buffer): Promise<void> => {
    const late = () => new Error(`the handler of ${this.filter} took longer than ${handlerDeadlineMs} ms`);
    try {
      await within(Promise.resolve(this.handler(topic, payload)), handlerDeadlineMs, { late });
      this.failing = undefined;
    } catch (error) {
      this.decide(identify(topic, payload), toError(error));
    }
  };

  private decide(message: string, cause: Error): void {
    const times = this.failing?.message === message ? this.failing.times + 1 : 1;
    if (times < failuresInARow) {
      this.failing = { message, times };
      throw new Error(`a message to ${this.filter} could not be handled and will be delivered again`, { cause });
    }
    this.failing = undefined;
    this.onFault(new Error(`a message to ${this.filter} failed ${times} times and was dropped`, { cause }));
  }
}

function identify(topic: string, payload: Buffer): string {
  return createHash('sha256').update(topic).update('\0').update(payload).digest('base64');
}
