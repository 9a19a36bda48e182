import { pause, within } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import { BrokerConnection, type BrokerConnectionOptions, ConnectionLost } from './broker-connection.js';
import type { PublishOptions } from './port.js';
import { ReconnectBackOff } from './reconnect-back-off.js';
import { toError } from './to-error.js';

const openDeadlineMs = 30_000;
const publishDeadlineMs = 10_000;
const subscribeDeadlineMs = 10_000;

export interface SessionOptions extends BrokerConnectionOptions {
  /** Subscribed at each connection, before the session counts as connected. */
  readonly filters: readonly string[];
  /** Called for each fault of the connection and of a handler; the session goes on. */
  readonly onFault: (fault: Error) => void;
  readonly onConnected?: () => void;
  readonly onDisconnected?: () => void;
}

/** An MQTT session under one client id that reconnects until it is closed. */
export class ReconnectingSession {
  private readonly closing = new AbortController();
  private readonly waiting = new Set<{ resolve: (broker: BrokerConnection) => void; reject: (error: Error) => void }>();
  private readonly backOff = new ReconnectBackOff();
  private readonly running: Promise<void>;
  private broker: BrokerConnection | undefined;

  private constructor(private readonly options: SessionOptions) {
    this.running = this.keepConnected();
  }

  /**
   * Connects and subscribes.
   *
   * @throws Problem `unavailable`: not connected within 30 s, or `signal` fired.
   * @throws Problem `forbidden`, `config-invalid`: no later attempt can succeed.
   */
  static async open(options: SessionOptions, signal?: AbortSignal): Promise<ReconnectingSession> {
    const start = new Start(signal);
    const onFault = (fault: Error): void => {
      options.onFault(fault);
      start.note(fault);
    };
    const session = new ReconnectingSession({ ...options, onFault });
    try {
      await start.wait(session.connected(new Attempt()));
      return session;
    } catch (error) {
      await session.close();
      throw error;
    }
  }

  get isConnected(): boolean {
    return this.broker !== undefined;
  }

  /** Sends a message, again after each loss of the connection, until the broker has it or the deadline passes. */
  async publish(topic: string, payload: Buffer | string, options: PublishOptions = {}): Promise<void> {
    const { qos = 1, retain = false, deadlineMs = publishDeadlineMs } = options;
    const attempt = new Attempt();
    const work = this.publishUntilAcknowledged(topic, payload, { qos, retain }, attempt);
    try {
      await within(work, deadlineMs, { late: () => notAcknowledged(topic, deadlineMs) });
    } finally {
      attempt.end();
    }
  }

  /** Removes a filter from the broker's side of the session. */
  async unsubscribe(filter: string): Promise<void> {
    const attempt = new Attempt();
    const work = this.connected(attempt).then((broker) => broker.unsubscribe(filter));
    try {
      await within(work, publishDeadlineMs, { late: () => notReached(undefined) });
    } finally {
      attempt.end();
    }
  }

  /** Ends the session; whoever waits for it is refused. Safe to call twice. */
  async close(): Promise<void> {
    this.closing.abort();
    await this.broker?.end();
    await this.running;
    for (const { reject } of this.waiting) reject(closed());
    this.waiting.clear();
  }

  private async publishUntilAcknowledged(
    topic: string,
    payload: Buffer | string,
    options: { qos: 0 | 1; retain: boolean },
    attempt: Attempt,
  ): Promise<void> {
    while (!attempt.isOver) {
      const broker = await this.connected(attempt);
      try {
        await broker.publish(topic, payload, options);
        return;
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
      }
    }
  }

  /** Waits for the connection until the attempt ends: whoever gave up must not send later. */
  private connected(attempt: Attempt): Promise<BrokerConnection> {
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
    }
  }

  /** Connects once and stays until the connection ends; resolves to how long it worked, in milliseconds. */
  private async liveOnce(): Promise<number> {
    try {
      const broker = await BrokerConnection.open(this.options, this.closing.signal);
      await this.subscribeAll(broker);
      const since = performance.now();
      this.adopt(broker);
      const fault = await broker.closed;
      this.broker = undefined;
      this.options.onDisconnected?.();
      if (fault !== undefined) this.options.onFault(fault);
      return performance.now() - since;
    } catch (error) {
      if (!this.closing.signal.aborted) this.options.onFault(toError(error));
      return 0;
    }
  }

  /** A broker that keeps the connection but never answers must hold up neither a reconnect nor the end of the session. */
  private async subscribeAll(broker: BrokerConnection): Promise<void> {
    const { signal } = this.closing;
    const drop = (): void => broker.drop(closed());
    signal.addEventListener('abort', drop);
    try {
      for (const filter of this.options.filters) {
        if (signal.aborted) throw closed();
        await within(broker.subscribe(filter), subscribeDeadlineMs, { late: () => notGranted(filter) });
      }
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
    this.options.onConnected?.();
  }
}

/**
 * One caller's wish for the connection. An AbortController would do, but its end makes an exception with a stack, and
 * every message ends one.
 */
class Attempt {
  isOver = false;
  /** Called once, when the caller has what it wanted or has given up. */
  onEnd: (() => void) | undefined;

  end(): void {
    this.isOver = true;
    this.onEnd?.();
  }
}

/** The wait for the first connection, and what makes it hopeless. */
class Start {
  private readonly hopeless: Promise<never>;
  private giveUp: (problem: Problem) => void = () => undefined;
  private lastFault: Error | undefined;

  constructor(private readonly signal: AbortSignal | undefined) {
    this.hopeless = new Promise<never>((_, reject) => {
      this.giveUp = reject;
    });
  }

  /** A problem is for the caller to mend; any other fault may pass. */
  note(fault: Error): void {
    this.lastFault = fault;
    if (fault instanceof Problem) this.giveUp(fault);
  }

  async wait(connected: Promise<unknown>): Promise<void> {
    const abort = (): void => this.giveUp(new Problem('unavailable', 'The service is stopping.'));
    this.signal?.addEventListener('abort', abort, { once: true });
    if (this.signal?.aborted) abort();
    try {
      await within(Promise.race([connected, this.hopeless]), openDeadlineMs, {
        late: () => notReached(this.lastFault),
      });
    } finally {
      this.signal?.removeEventListener('abort', abort);
    }
  }
}

function closed(): Problem {
  return new Problem('unavailable', 'The MQTT session is closed.');
}

function notReached(cause: Error | undefined): Problem {
  const reason = cause?.message ?? 'no answer';
  return new Problem('unavailable', `Cannot reach the MQTT broker: ${reason}. Check that it runs and its address.`, {
    cause,
  });
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
