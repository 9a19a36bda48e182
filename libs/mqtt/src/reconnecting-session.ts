import { pause, within } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import {
  BrokerConnection,
  type BrokerConnectionOptions,
  ConnectionLost,
  type OutgoingMessage,
} from './broker-connection.js';
import { packetProperties } from './message-properties.js';
import {
  MqttSession,
  type MqttSessionOptions,
  type SessionFilter,
  type SessionPublishOptions,
} from './mqtt-session.js';
import type { MqttConnection } from './port.js';
import { ReconnectBackOff } from './reconnect-back-off.js';
import { notReached, SessionOpening } from './session-opening.js';
import { toError } from './to-error.js';

const publishDeadlineMs = 10_000;
const subscribeDeadlineMs = 10_000;
// A handler of a subscription may take as long. One that hangs must not block the next connection for ever.
const handlersDeadlineMs = 20_000;

export interface SessionOptions extends MqttSessionOptions {
  readonly connection: MqttConnection;
  /** Exactly as it is sent. */
  readonly clientId: string;
  readonly onFault: (fault: Error) => void;
}

/** An MQTT session under one client id that reconnects until it is closed. */
export class ReconnectingSession extends MqttSession {
  private readonly closing = new AbortController();
  private readonly waiting = new Set<{ resolve: (broker: BrokerConnection) => void; reject: (error: Error) => void }>();
  private readonly backOff = new ReconnectBackOff();
  private readonly filters: Map<string, SessionFilter>;
  private readonly running: Promise<void>;
  private broker: BrokerConnection | undefined;
  private lastFault: Error | undefined;
  /** Pending while the session is suspended. */
  private suspension: PromiseWithResolvers<void> | undefined;

  constructor(private readonly options: SessionOptions) {
    super();
    this.filters = new Map(options.filters?.map((filter) => [filter.filter, filter]));
    this.running = this.keepConnected();
  }

  /**
   * Connects and subscribes.
   *
   * @throws Problem `unavailable`: not connected within 30 s, or `signal` fired.
   * @throws Problem `forbidden`, `config-invalid`: no later attempt can succeed.
   */
  static async open(options: SessionOptions, signal?: AbortSignal): Promise<ReconnectingSession> {
    const opening = new SessionOpening(signal);
    const onFault = (fault: Error): void => {
      options.onFault(fault);
      opening.note(fault);
    };
    const session = new ReconnectingSession({ ...options, onFault });
    try {
      await opening.wait(session.connection(new Attempt()));
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  override get isConnected(): boolean {
    return this.broker !== undefined;
  }

  override async connected(deadlineMs: number): Promise<void> {
    await this.attempt((attempt) => this.connection(attempt), { deadlineMs, late: () => notReached(this.lastFault) });
  }

  override async publish(topic: string, payload: Buffer | string, options: SessionPublishOptions = {}): Promise<void> {
    const { deadlineMs = publishDeadlineMs, signal } = options;
    const message = { topic, payload, options: this.packetOptions(options) };
    const late = () => notAcknowledged(topic, deadlineMs);
    const publish = (broker: BrokerConnection, attempt: Attempt) => broker.publish(message, attempt);
    await this.attempt((attempt) => this.untilAnswered(attempt, publish), { deadlineMs, late, signal });
  }

  override async subscribe(filter: SessionFilter): Promise<void> {
    const subscribe = (broker: BrokerConnection) => broker.subscribe(filter);
    const late = () => notReached(this.lastFault);
    await this.attempt((attempt) => this.untilAnswered(attempt, subscribe), { deadlineMs: subscribeDeadlineMs, late });
    this.filters.set(filter.filter, filter);
  }

  override async unsubscribe(filter: string): Promise<void> {
    this.filters.delete(filter);
    const unsubscribe = (broker: BrokerConnection) => broker.unsubscribe(filter);
    const late = () => notReached(this.lastFault);
    await this.attempt((attempt) => this.untilAnswered(attempt, unsubscribe), { deadlineMs: publishDeadlineMs, late });
  }

  override suspend(): void {
    this.suspension ??= Promise.withResolvers();
    this.broker?.drop(new ConnectionLost('the session was suspended'));
  }

  override resume(): void {
    this.suspension?.resolve();
    this.suspension = undefined;
  }

  override async close(): Promise<void> {
    this.closing.abort();
    this.resume();
    await this.broker?.end();
    await this.running;
    for (const { reject } of this.waiting) reject(closed());
    this.waiting.clear();
  }

  /** Runs work that waits for the connection, until a deadline. */
  private async attempt<Result>(
    work: (attempt: Attempt) => Promise<Result>,
    { deadlineMs, late, signal }: AttemptOptions,
  ): Promise<void> {
    const attempt = new Attempt();
    try {
      await within(work(attempt), deadlineMs, { late, signal });
    } finally {
      attempt.end();
    }
  }

  /** Asks the broker, again after each loss of the connection. */
  private async untilAnswered(
    attempt: Attempt,
    ask: (broker: BrokerConnection, attempt: Attempt) => Promise<void>,
  ): Promise<void> {
    while (!attempt.isOver) {
      const broker = await this.connection(attempt);
      try {
        await ask(broker, attempt);
        return;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
      }
    }
  }

  private packetOptions({ qos = 1, retain = false, properties }: SessionPublishOptions): OutgoingMessage['options'] {
    const isKnown = properties !== undefined && this.options.protocolVersion === 5;
    return { qos, retain, ...(isKnown ? { properties: packetProperties(properties) } : {}) };
  }

  /** Waits for the connection until the attempt ends. A caller that gave up must not send later. */
  private connection(attempt: Attempt): Promise<BrokerConnection> {
    if (this.broker !== undefined) return Promise.resolve(this.broker);
    if (this.closing.signal.aborted) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      const waiter = { resolve, reject };
      this.waiting.add(waiter);
      attempt.onEnd = () => this.waiting.delete(waiter);
    });
  }

  private async keepConnected(): Promise<void> {
    const { signal } = this.closing;
    while (!signal.aborted) {
      const livedMs = await this.liveOnce();
      if (signal.aborted) return;
      await pause(this.backOff.next(livedMs), { signal });
      await this.suspension?.promise;
    }
  }

  /** Connects once and stays until the connection ends; resolves to how long it worked, in milliseconds. */
  private async liveOnce(): Promise<number> {
    try {
      const broker = await BrokerConnection.open(this.connectionOptions(), this.closing.signal);
      await this.subscribeAll(broker);
      const since = performance.now();
      this.adopt(broker);
      const fault = await broker.closed;
      this.broker = undefined;
      this.options.onDisconnected?.();
      if (fault !== undefined) this.note(fault);
      const livedMs = performance.now() - since;
      await this.handlersOf(broker);
      return livedMs;
    } catch (error) {
      if (!this.closing.signal.aborted) this.note(toError(error));
      return 0;
    }
  }

  private connectionOptions(): BrokerConnectionOptions {
    return { ...this.options, onMessage: this.options.onMessage ?? (() => undefined) };
  }

  /** Has a deadline: a broker that never answers must not block a reconnect or the end of the session. */
  private async subscribeAll(broker: BrokerConnection): Promise<void> {
    const { signal } = this.closing;
    const drop = (): void => broker.drop(closed());
    signal.addEventListener('abort', drop);
    try {
      if (signal.aborted) throw closed();
      await Promise.all([...this.filters.values()].map((filter) => granted(broker, filter)));
      if (signal.aborted) throw closed();
    } catch (error) {
      await broker.end();
      throw error;
    } finally {
      signal.removeEventListener('abort', drop);
    }
  }

  private adopt(broker: BrokerConnection): void {
    this.broker = broker;
    for (const { resolve } of this.waiting) resolve(broker);
    this.waiting.clear();
    this.options.onConnected?.(broker.start);
    // Suspended while it was connecting.
    if (this.suspension !== undefined) this.suspend();
  }

  /** Waits for the handlers of a connection that ended: no message may be handled twice at the same time. */
  private async handlersOf(broker: BrokerConnection): Promise<void> {
    const late = () => new Error(`a message handler ran for longer than ${handlersDeadlineMs} ms`);
    const { signal } = this.closing;
    await within(broker.idle(), handlersDeadlineMs, { late, signal }).catch((error: unknown) => {
      if (!signal.aborted) this.note(toError(error));
    });
  }

  private note(fault: Error): void {
    this.lastFault = fault;
    this.options.onFault(fault);
  }
}

interface AttemptOptions {
  readonly deadlineMs: number;
  readonly late: () => Error;
  readonly signal?: AbortSignal | undefined;
}

/**
 * One call that waits for the connection. It is no AbortController, because an abort creates an exception with a stack,
 * and every message would create one.
 */
class Attempt {
  isOver = false;
  /** Called once, when the call has ended. */
  onEnd: (() => void) | undefined;

  end(): void {
    this.isOver = true;
    this.onEnd?.();
  }
}

function granted(broker: BrokerConnection, filter: SessionFilter): Promise<void> {
  return within(broker.subscribe(filter), subscribeDeadlineMs, { late: () => notGranted(filter.filter) });
}

function closed(): Problem {
  return new Problem('unavailable', 'The MQTT session is closed.');
}

function notGranted(filter: string): ConnectionLost {
  return new ConnectionLost(`the broker did not answer the subscription to ${filter} within ${subscribeDeadlineMs} ms`);
}

function notAcknowledged(topic: string, deadlineMs: number): Problem {
  return new Problem(
    'unavailable',
    `The MQTT broker did not acknowledge a message to ${topic} within ${deadlineMs} ms.`,
  );
}
