import { randomBytes } from 'node:crypto';
import type { DeadLetter } from '@sallyport/protocol';
import { DeadLetters, type FailedMessage } from './dead-letters.js';
import type { MqttSession, MqttSessionOptions } from './mqtt-session.js';
import {
  type MessageHandler,
  Mqtt,
  type MqttConnection,
  type MqttSubscription,
  type PublishOptions,
  type SubscriptionOptions,
} from './port.js';
import { ReconnectingSession, type SessionOptions } from './reconnecting-session.js';
import { Subscriber } from './subscriber.js';

const defaultMostFailures = 20;

export interface MqttOptions {
  /** Ends the connection, and the wait for it. */
  readonly signal?: AbortSignal;
  /** Called for each lost connection and failed handler. Both are tried again. Default: a process warning. */
  readonly onFault?: (fault: Error) => void;
  /**
   * Called for each message that no handler could take and that the broker now keeps as a dead letter, with its topic.
   * Default: a process warning.
   */
  readonly onDeadLetter?: (letter: DeadLetter, topic: string) => void;
  /** Names the owner of dead letters in their topics, as access rules know it; default: the connection's client id. */
  readonly owner?: string;
  /** How often a handler may fail in a row before its message becomes a dead letter; default 20. */
  readonly mostFailures?: number;
  readonly now?: () => Date;
}

/**
 * Connects to a broker; waits up to 30 s for it.
 *
 * @throws Problem `unavailable`: no connection in time, with what went wrong last.
 * @throws Problem `config-invalid`: the connection cannot be right.
 */
export async function connectMqtt(connection: MqttConnection, options: MqttOptions = {}): Promise<Mqtt> {
  const mqtt = new SessionMqtt(connection, options);
  await mqtt.open();
  return mqtt;
}

/**
 * Opens a session under exactly the client id of the connection. It connects in the background and goes on trying until
 * it is closed: the other side may be away for hours. Wait for `connected` where a broker must be there.
 */
export function openMqttSession(connection: MqttConnection, options: MqttSessionOptions): MqttSession {
  const { window = 1, onFault = (fault: Error) => process.emitWarning(fault) } = options;
  return new ReconnectingSession({ ...options, window, onFault, connection, clientId: connection.clientId });
}

/** Client id of a session that ends with its connection: no other process may take it over by accident. */
export function transientClientId(connection: MqttConnection, role: string): string {
  return `${connection.clientId}/${role}/${randomBytes(6).toString('hex')}`;
}

type SessionRole = Pick<SessionOptions, 'clientId' | 'isDurable' | 'filters' | 'onMessage'>;

/** One session to publish, and one for each subscription. */
class SessionMqtt extends Mqtt {
  private readonly sessions = new Set<ReconnectingSession>();
  private readonly reconnectListeners: (() => void)[] = [];
  private readonly subscriptionIds = new Set<string>();
  private readonly onFault: (fault: Error) => void;
  private readonly deadLetters: DeadLetters;
  private readonly closing = new AbortController();
  private publisher: ReconnectingSession | undefined;
  private wasDisconnected = false;

  constructor(
    private readonly connection: MqttConnection,
    private readonly options: MqttOptions,
  ) {
    super();
    this.onFault = options.onFault ?? ((fault) => process.emitWarning(fault));
    this.deadLetters = new DeadLetters({
      owner: options.owner ?? connection.clientId.replace(/[/+#]/g, '_'),
      publish: (...message) => this.publish(...message),
      now: options.now ?? (() => new Date()),
      onDeadLetter: options.onDeadLetter ?? warnOfDeadLetter,
    });
  }

  async open(): Promise<void> {
    const { signal } = this.options;
    signal?.addEventListener('abort', () => void this.close(), { once: true });
    if (signal?.aborted) this.closing.abort();
    const clientId = transientClientId(this.connection, 'publisher');
    this.publisher = await this.openSession({ clientId, isDurable: false });
  }

  override async publish(topic: string, payload: Buffer | string, options?: PublishOptions): Promise<void> {
    await this.publisher?.publish(topic, payload, options);
  }

  override async subscribe(
    filter: string,
    handler: MessageHandler,
    { isDurable = true }: SubscriptionOptions = {},
  ): Promise<MqttSubscription> {
    const { mostFailures = defaultMostFailures } = this.options;
    const giveUp = (failed: FailedMessage) => this.deadLetters.keep(failed);
    const subscriber = new Subscriber({
      filter,
      handler,
      mostFailures: isDurable ? mostFailures : undefined,
      giveUp,
    });
    const clientId = this.takeSubscriptionId(filter);
    // Under the same id as a durable one, a session that is not also ends what an earlier run may have left at the
    // broker.
    const role = { clientId, isDurable, filters: [{ filter }], onMessage: subscriber.receive };
    try {
      const session = await this.openSession(role);
      return { unsubscribe: () => this.endSubscription(session, filter, clientId) };
    } catch (error) {
      // The next try has to find the session the broker may have begun to queue for.
      this.subscriptionIds.delete(clientId);
      throw error;
    }
  }

  override onReconnect(listener: () => void): void {
    this.reconnectListeners.push(listener);
  }

  override get isConnected(): boolean {
    return [...this.sessions].every((session) => session.isConnected);
  }

  override async close(): Promise<void> {
    this.closing.abort();
    await Promise.all([...this.sessions].map((session) => session.close()));
  }

  private async openSession(role: SessionRole): Promise<ReconnectingSession> {
    const { connection, onFault } = this;
    const session = await ReconnectingSession.open(
      {
        ...role,
        connection,
        onFault,
        onConnected: () => this.announce(),
        onDisconnected: () => {
          this.wasDisconnected = true;
        },
      },
      this.closing.signal,
    );
    this.sessions.add(session);
    return session;
  }

  private async endSubscription(session: ReconnectingSession, filter: string, clientId: string): Promise<void> {
    await session.unsubscribe(filter);
    this.sessions.delete(session);
    await session.close();
    this.subscriptionIds.delete(clientId);
  }

  private announce(): void {
    if (!this.wasDisconnected || !this.isConnected) return;
    this.wasDisconnected = false;
    for (const listener of this.reconnectListeners) listener();
  }

  /**
   * The same over restarts, so that the broker finds the session again. The second subscription to one filter is told
   * apart by its number: a service subscribes in the same order each time it starts.
   */
  private takeSubscriptionId(filter: string): string {
    // Brokers with pattern ACLs refuse client ids that hold wildcards.
    const first = `${this.connection.clientId}/subscription/${filter.replace(/[+#]/g, '_')}`;
    let clientId = first;
    for (let number = 2; this.subscriptionIds.has(clientId); number++) clientId = `${first}/${number}`;
    this.subscriptionIds.add(clientId);
    return clientId;
  }
}

function warnOfDeadLetter({ filter, failures }: DeadLetter, topic: string): void {
  process.emitWarning(`a message to ${filter} failed ${failures} times and is kept at ${topic}`);
}
