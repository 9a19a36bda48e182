import type { Duplex } from 'node:stream';
import { Semaphore, within } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import { ErrorWithReasonCode, type IClientPublishOptions, type IConnackPacket, MqttClient } from 'mqtt';
import { AckGate } from './ack-gate.js';
import { type ConnectOptions, clientOptions } from './client-options.js';
import { type Deliveries, type DeliveryOptions, SerialDeliveries, WindowedDeliveries } from './deliveries.js';
import {
  ConnectionRefused,
  type MqttMessage,
  PublishRefused,
  type SessionFilter,
  type SessionStart,
} from './mqtt-session.js';
import type { MqttConnection, MqttCredentials } from './port.js';
import { toError } from './to-error.js';
import { openTransport } from './transport.js';
import { gatherWrites } from './write-gathering.js';

const endDeadlineMs = 2_000;
const retainHandling = { always: 0, new: 1, never: 2 } as const;

export interface BrokerConnectionOptions extends ConnectOptions {
  readonly connection: MqttConnection;
  /** Exactly as it is sent. */
  readonly clientId: string;
  /** Messages handled at once; without it one, and MQTT.js hears nothing else meanwhile, not even an answer to us. */
  readonly window?: number;
  /** Its promise is awaited before the message is acknowledged; a rejection ends the connection unacknowledged. */
  readonly onMessage: (message: MqttMessage) => void | Promise<void>;
}

export interface OutgoingMessage {
  readonly topic: string;
  readonly payload: Buffer | string;
  readonly options: IClientPublishOptions;
}

/** The connection ended before the broker answered. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/**
 * One connection to the broker, from CONNECT to its end. It has no queue and sends nothing again, so its owner knows
 * exactly what was acknowledged.
 */
export class BrokerConnection {
  private readonly client: MqttClient;
  private readonly deliveries: Deliveries;
  private readonly unanswered = new Set<(error: Error) => void>();
  /** Of the publications the broker lets be unacknowledged at once; none when it names no limit. */
  private places: Semaphore | undefined;
  private greeting: IConnackPacket | undefined;
  private fault: Error | undefined;
  private ended = false;
  /** Resolves when the connection has ended, for whatever reason, with the fault when there was one. */
  readonly closed: Promise<Error | undefined>;

  private constructor(transport: Duplex, options: BrokerConnectionOptions, credentials: Partial<MqttCredentials>) {
    const gate = options.window === undefined ? undefined : new AckGate(transport);
    const stream = gate ?? transport;
    gatherWrites(stream);
    this.client = new MqttClient(() => stream, clientOptions(options.clientId, options, credentials));
    this.deliveries = this.deliveriesFor(options, gate);
    this.client.handleMessage = (packet, done) => this.deliveries.receive(packet, done);
    this.client.once('connect', (greeting) => this.begin(greeting));
    stream.on('error', (error) => this.note(error));
    this.client.on('error', (error) => this.drop(this.greeting === undefined ? refusalOf(error) : error));
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

  /** What the broker said in CONNACK. */
  get start(): SessionStart {
    const { sessionPresent = false, properties } = this.greeting ?? {};
    const largestPacketBytes = properties?.maximumPacketSize;
    return {
      isResumed: sessionPresent,
      mayRetain: properties?.retainAvailable !== false,
      ...(largestPacketBytes === undefined ? {} : { largestPacketBytes }),
    };
  }

  /**
   * @param attempt given up while the message waits for its turn, it is not sent
   * @throws PublishRefused: the broker said why (MQTT 5).
   */
  async publish({ topic, payload, options }: OutgoingMessage, attempt: { readonly isOver: boolean }): Promise<void> {
    const places = options.qos === 0 ? undefined : this.places;
    if (places?.tryAcquire() === false) await places.acquire();
    try {
      if (!attempt.isOver) await this.answered((done) => this.client.publish(topic, payload, options, done));
    } catch (error) {
      throw error instanceof ErrorWithReasonCode ? new PublishRefused(topic, error.code) : error;
    } finally {
      places?.release();
    }
  }

  /** @throws Problem `forbidden`: the broker refused the filter. */
  async subscribe({ filter, qos = 1, isNoLocal = false, ...options }: SessionFilter): Promise<void> {
    const { keepsRetainFlag = false, retainedMessages = 'always' } = options;
    const request = { qos, nl: isNoLocal, rap: keepsRetainFlag, rh: retainHandling[retainedMessages] };
    try {
      await this.answered((done) => this.client.subscribe(filter, request, done));
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

  /** Resolves when no handler of this connection runs any more. */
  idle(): Promise<void> {
    return this.deliveries.idle();
  }

  private begin(greeting: IConnackPacket): void {
    this.greeting = greeting;
    // MQTT 5.0 §3.2.2.3.3: without it there is no limit; 0 is a fault of the broker.
    const mostUnacknowledged = greeting.properties?.receiveMaximum ?? 0;
    if (mostUnacknowledged > 0) this.places = new Semaphore(mostUnacknowledged);
  }

  private deliveriesFor(
    { onMessage, window: size = 1 }: BrokerConnectionOptions,
    gate: AckGate | undefined,
  ): Deliveries {
    const options: DeliveryOptions = { onMessage, onFailure: (error) => this.drop(toError(error)) };
    if (gate === undefined) return new SerialDeliveries(options);
    return new WindowedDeliveries({ ...options, size, acknowledge: (packetId) => gate.acknowledge(packetId) });
  }

  /** Rejects when the connection ends first; MQTT.js would never call back then. */
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
    this.deliveries.stop();
    for (const reject of this.unanswered) reject(this.lost());
    this.unanswered.clear();
    return this.fault;
  }

  private lost(): ConnectionLost {
    return new ConnectionLost('the connection ended before the broker answered', { cause: this.fault });
  }
}

/** Before the greeting, MQTT.js gives an error with a code for a CONNACK only. */
function refusalOf(error: Error): Error {
  return error instanceof ErrorWithReasonCode ? new ConnectionRefused(error.message, error.code) : error;
}
