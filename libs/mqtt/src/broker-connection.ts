import { within } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import { type IClientPublishOptions, type IPublishPacket, MqttClient } from 'mqtt';
import type { MessageHandler, MqttConnection, MqttCredentials } from './port.js';
import { toError } from './to-error.js';
import { openTransport } from './transport.js';
import { gatherWrites } from './write-gathering.js';

// A dead peer is noticed after 1.5 times this; a message handler (20 s) must fit in between two pings.
const keepaliveSeconds = 60;
const connectDeadlineMs = 10_000;
const endDeadlineMs = 2_000;

export interface BrokerConnectionOptions {
  readonly connection: MqttConnection;
  readonly clientId: string;
  /** False: the broker keeps subscriptions and queues QoS 1 messages while we are away. */
  readonly clean: boolean;
  /** Its promise is awaited before the message is acknowledged; a rejection ends the connection unacknowledged. */
  readonly onMessage: MessageHandler;
}

/** The connection ended before the broker answered. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/**
 * One connection to the broker, from CONNECT to its end. Nothing survives it on our side: no queue, no resending, so
 * whoever holds it knows exactly what was acknowledged.
 */
export class BrokerConnection {
  private readonly client: MqttClient;
  private readonly unanswered = new Set<(error: Error) => void>();
  private fault: Error | undefined;
  private ended = false;
  /** Resolves when the connection has ended, for whatever reason, with the fault when there was one. */
  readonly closed: Promise<Error | undefined>;

  private constructor(
    stream: Awaited<ReturnType<typeof openTransport>>,
    { clientId, clean, onMessage }: BrokerConnectionOptions,
    credentials: Partial<MqttCredentials>,
  ) {
    gatherWrites(stream);
    this.client = new MqttClient(() => stream, {
      ...credentials,
      clientId,
      clean,
      protocolVersion: 4,
      keepalive: keepaliveSeconds,
      connectTimeout: connectDeadlineMs,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
    });
    this.client.handleMessage = (packet, done) => void this.receive(packet, onMessage, done);
    stream.on('error', (error) => this.note(error));
    this.client.on('error', (error) => this.drop(error));
    this.closed = new Promise((resolve) => this.client.once('close', () => resolve(this.finish())));
  }

  /**
   * Connects and waits for CONNACK, at most 10 s.
   *
   * @param signal gives up the attempt
   * @throws Problem `config-invalid`: the connection cannot be right.
   * @throws the fault of socket, TLS or broker otherwise
   */
  static async open(options: BrokerConnectionOptions, signal: AbortSignal): Promise<BrokerConnection> {
    const { connection } = options;
    const credentials = connection.kind === 'network' ? await connection.credentials?.() : undefined;
    const broker = new BrokerConnection(await openTransport(connection), options, credentials ?? {});
    const abort = (): void => broker.drop(new ConnectionLost('the session was closed'));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort);
    const connected = new Promise<void>((resolve) => broker.client.once('connect', () => resolve()));
    const failed = broker.closed.then((fault) => {
      throw fault ?? new ConnectionLost('the broker closed the connection before it answered');
    });
    try {
      await Promise.race([connected, failed]);
      return broker;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async publish(topic: string, payload: Buffer | string, options: IClientPublishOptions): Promise<void> {
    await this.answered((done) => this.client.publish(topic, payload, options, done));
  }

  /** @throws Problem `forbidden`: the broker refused the filter. */
  async subscribe(filter: string): Promise<void> {
    try {
      await this.answered((done) => this.client.subscribe(filter, { qos: 1 }, done));
    } catch (error) {
      if (error instanceof ConnectionLost) throw error;
      throw new Problem('forbidden', `The MQTT broker refuses a subscription to ${filter}. Check its access rules.`, {
        cause: error,
      });
    }
  }

  async unsubscribe(filter: string): Promise<void> {
    await this.answered((done) => this.client.unsubscribe(filter, done));
  }

  /** Ends the connection at once; what was not acknowledged is not acknowledged. */
  drop(fault: Error): void {
    this.note(fault);
    this.client.stream.destroy();
  }

  /** Says DISCONNECT and closes; drops the connection when that takes longer than 2 s. */
  async end(): Promise<void> {
    const stalled = () => new ConnectionLost('the broker did not take the DISCONNECT in time');
    try {
      await within(this.client.endAsync(), endDeadlineMs, { late: stalled });
    } catch (error) {
      this.drop(toError(error));
    }
    await this.closed;
  }

  private async receive(packet: IPublishPacket, onMessage: MessageHandler, done: () => void): Promise<void> {
    try {
      await onMessage(packet.topic, Buffer.from(packet.payload));
    } catch (error) {
      this.drop(toError(error));
      return;
    }
    done();
  }

  /** MQTT.js forgets callbacks when its connection ends; this does not. */
  private answered(send: (done: (error?: Error | null) => void) => unknown): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.ended) {
        reject(this.lost());
        return;
      }
      this.unanswered.add(reject);
      send((error) => {
        this.unanswered.delete(reject);
        error ? reject(error) : resolve();
      });
    });
  }

  private note(fault: Error): void {
    this.fault ??= fault;
  }

  private finish(): Error | undefined {
    this.ended = true;
    for (const reject of this.unanswered) reject(this.lost());
    this.unanswered.clear();
    return this.fault;
  }

  private lost(): ConnectionLost {
    return new ConnectionLost('the connection ended before the broker answered', { cause: this.fault });
  }
}
