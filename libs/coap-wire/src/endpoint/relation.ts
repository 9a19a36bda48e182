import { CoapError, type CoapResponse, type OutgoingRequest } from '../exchange.js';
import type { CoapMessage } from '../message.js';
import { optionNumbers } from '../option-numbers.js';
import { decodeUint } from '../option-values.js';
import { type ReceivedResponse, responseOf } from '../response-of.js';
import { messageOfRequest, responseOfError } from '../to-message.js';
import type { AnswerTaker, Exchanges } from './exchanges.js';

export interface RelationOptions {
  readonly request: OutgoingRequest;
  readonly exchanges: Exchanges;
  /** Reads the rest of an answer that comes in blocks. */
  readonly whole: (first: ReceivedResponse, signal?: AbortSignal) => Promise<ReceivedResponse>;
  readonly onNotification: (notification: CoapResponse) => void;
}

interface Awaited {
  readonly resolve: (answer: CoapMessage) => void;
  readonly reject: (reason: unknown) => void;
}

// While the first answer comes block by block. More of them is a peer that floods us.
const mostHeld = 64;
const register = 0;
const deregister = 1;

/**
 * One observation of a resource of the peer (RFC 7641). Order is that of the connection, and the number of a notification
 * says nothing (RFC 8323 §7.1).
 */
export class Relation implements AnswerTaker {
  private token: number | undefined;
  private awaited: Awaited | undefined;
  /** Notifications that came before the caller could know the first answer. */
  private held: CoapMessage[] | undefined = [];
  /** The listener gets nothing any more. */
  private isMuted = false;
  /** Reads the rest of the newest notification. */
  private fetching: AbortController | undefined;

  constructor(private readonly options: RelationOptions) {}

  /** Registers, and resolves with the first answer. Without `observe` in it, the relation is over. */
  async begin(signal: AbortSignal): Promise<CoapResponse> {
    try {
      const first = responseOf(await this.askWith(register, signal));
      const answer = await this.options.whole(first);
      if (isLastOfRelation(first)) this.leave();
      if (this.isFlooded) throw new CoapError('5.02', 'the peer notifies before its first answer is whole');
      // The caller gets the answer in this turn, and what came behind it afterwards.
      setImmediate(() => this.deliverHeld());
      return answer;
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  /** Deregisters, and waits for the answer to it. */
  async cancel(signal: AbortSignal): Promise<void> {
    if (this.token === undefined) return;
    this.isMuted = true;
    try {
      await this.askWith(deregister, signal);
    } finally {
      this.leave();
    }
  }

  take(message: CoapMessage): void {
    const { awaited } = this;
    if (awaited !== undefined && !(this.isMuted && isNotification(message))) {
      this.awaited = undefined;
      awaited.resolve(message);
    } else if (this.isMuted) return;
    else if (this.held === undefined) this.notify(message);
    else if (this.isFlooded) this.abandon();
    else this.held.push(message);
  }

  end(error: CoapError): void {
    this.token = undefined;
    this.isMuted = true;
    this.awaited?.reject(error);
  }

  private get isFlooded(): boolean {
    return this.held !== undefined && this.held.length >= mostHeld;
  }

  private async askWith(observe: number, signal: AbortSignal): Promise<CoapMessage> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<CoapMessage>();
    const stop = (): void => reject(signal.reason);
    signal.addEventListener('abort', stop);
    try {
      this.awaited = { resolve, reject };
      this.write(observe);
      return await promise;
    } finally {
      signal.removeEventListener('abort', stop);
      this.awaited = undefined;
    }
  }

  private write(observe: number): void {
    const { exchanges, request } = this.options;
    this.token ??= exchanges.enter(this);
    exchanges.write(this.token, (token) => messageOfRequest(request, { token, observe }));
  }

  private deliverHeld(): void {
    const { held = [] } = this;
    this.held = undefined;
    // One of them may be the last.
    for (const message of held) if (this.token !== undefined && !this.isMuted) this.notify(message);
  }

  private notify(message: CoapMessage): void {
    // A newer notification is worth more than the rest of an older one; and a peer that sends only first blocks makes us
    // read one at a time.
    this.fetching?.abort();
    try {
      const notification = responseOf(message);
      if (isLastOfRelation(notification)) this.leave();
      if (notification.block2?.hasMore === true) void this.notifyWhole(notification);
      else this.options.onNotification(notification);
    } catch (error) {
      this.lose(error);
    }
  }

  private async notifyWhole(first: ReceivedResponse): Promise<void> {
    const fetching = new AbortController();
    const { signal } = fetching;
    this.fetching = fetching;
    try {
      const notification = await this.options.whole(first, signal);
      if (!signal.aborted && !this.isMuted) this.options.onNotification(notification);
    } catch (error) {
      if (!signal.aborted && !this.isMuted) this.lose(error);
    }
  }

  /** What the peer sends cannot be used. The listener learns it as the peer's last word. */
  private lose(error: unknown): void {
    if (!(error instanceof CoapError)) throw error;
    if (this.token !== undefined) this.abandon();
    this.options.onNotification(responseOfError(error));
  }

  /** The peer may have registered us, and would notify for ever. Nobody waits for its answer. */
  private abandon(): void {
    if (this.token === undefined) return;
    this.isMuted = true;
    try {
      this.write(deregister);
    } catch (error) {
      // The connection is gone, and the observation with it.
      if (!(error instanceof CoapError)) throw error;
    } finally {
      this.leave();
    }
  }

  private leave(): void {
    if (this.token !== undefined) this.options.exchanges.leave(this.token);
    this.token = undefined;
  }
}

/** Some peers answer a deregistration with its Observe 1. If it is a notification after all, nothing is lost. */
function isNotification(message: CoapMessage): boolean {
  const observe = message.options.find(({ number }) => number === optionNumbers.observe);
  return observe !== undefined && decodeUint(observe.value) !== deregister;
}

/** RFC 7641 §3.2 and §4.2: without the option, or with an error, the peer does not notify any more. */
function isLastOfRelation({ code, observe }: CoapResponse): boolean {
  return observe === undefined || !code.startsWith('2.');
}
