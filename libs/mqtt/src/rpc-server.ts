import {
  MqttContext,
  type MessageHandler as NestHandler,
  RpcException,
  Server,
  Transport,
} from '@nestjs/microservices';
import { within } from '@sallyport/concurrency';
import { Problem } from '@sallyport/protocol';
import { firstValueFrom } from 'rxjs';
import { transientClientId } from './connect.js';
import type { MqttConnection } from './port.js';
import { ReconnectingSession } from './reconnecting-session.js';
import { parseMessage, problemReply, type RpcRequest, rpcRequest } from './rpc-envelope.js';
import { toError } from './to-error.js';
import { WorkQueue } from './work-queue.js';

export interface RpcServerOptions {
  /** Shares the work among all servers of the same group; needs a broker that knows `$share`. */
  readonly group?: string;
  /** Requests handled at once; default 64. As many as 16 times that may wait; more are refused as `unavailable`. */
  readonly parallel?: number;
  /** Called for each lost connection. It is opened again. Default: a warning in Nest's log. */
  readonly onFault?: (fault: Error) => void;
}

const drainDeadlineMs = 5_000;

/**
 * The transport of a service's RPC handlers: `app.connectMicroservice({ strategy: mqttRpcServer(connection) })`.
 *
 * Differs from Nest's own MQTT server in what RPC needs: QoS 1 both ways, requests checked by schema, replies only
 * below the reply root and to the caller's own topic, bounded work, and subscriptions that must be granted before it is
 * up.
 */
export function mqttRpcServer(connection: MqttConnection, options: RpcServerOptions = {}): MqttRpcServer {
  return new MqttRpcServer(connection, options);
}

/** A Nest transport strategy. Made by `mqttRpcServer`. */
export class MqttRpcServer extends Server {
  override readonly transportId = Transport.MQTT;
  private readonly queue: WorkQueue;
  private session: ReconnectingSession | undefined;
  private isClosing = false;

  constructor(
    private readonly connection: MqttConnection,
    private readonly options: RpcServerOptions,
  ) {
    super();
    const { parallel = 64 } = options;
    this.queue = new WorkQueue({ parallel, waiting: parallel * 16 });
  }

  /** Connects and subscribes; calls back once, with the fault when there is one. Without handlers it does not connect. */
  override async listen(callback: (fault?: unknown) => void): Promise<void> {
    if (this.messageHandlers.size === 0) return callback();
    try {
      this.session = await ReconnectingSession.open({
        connection: this.connection,
        clientId: transientClientId(this.connection, 'rpc-server'),
        isDurable: false,
        filters: [...this.messageHandlers.keys()].map((pattern) => ({ filter: this.filterOf(pattern) })),
        onMessage: ({ topic, payload }) => this.accept(topic, payload),
        onFault: this.options.onFault ?? ((fault) => this.logger.warn(`RPC over MQTT: ${fault.message}`)),
        onConnected: () => this._status$.next('connected'),
        onDisconnected: () => this._status$.next('disconnected'),
      });
      callback();
    } catch (error) {
      callback(error);
    }
  }

  /** False while the broker is away; no request arrives then. */
  get isConnected(): boolean {
    return this.session?.isConnected === true;
  }

  /** Takes no more requests, lets those under way finish for up to 5 s, and disconnects. */
  override async close(): Promise<void> {
    this.isClosing = true;
    const late = () => new Error('requests were still under way when the RPC server closed');
    await within(this.queue.idle(), drainDeadlineMs, { late }).catch((error: unknown) =>
      this.logger.warn(toError(error).message),
    );
    await this.session?.close();
  }

  /** There are no transport events to listen to; `status` tells about the connection. */
  override on(): this {
    return this;
  }

  /** The MQTT client is private. */
  override unwrap(): never {
    throw new Error('The MQTT client of the RPC server is not for use from outside.');
  }

  private filterOf(pattern: string): string {
    const { group } = this.options;
    return group === undefined ? pattern : `$share/${group}/${pattern}`;
  }

  /** Acknowledged on receipt: after a crash the caller asks again, and its deadline bounds the wait. */
  private accept(topic: string, payload: Buffer): void {
    const request = parseMessage(rpcRequest, payload);
    if (request === undefined) {
      this.logger.warn(`RPC over MQTT: a message to ${topic} is no request and was dropped`);
      return;
    }
    const expiresAt = performance.now() + request.deadlineMs;
    const taken = !this.isClosing && this.queue.offer(() => this.answer(topic, request, expiresAt));
    if (!taken) void this.reply(request, problemReply(request.id, busy()));
  }

  private async answer(topic: string, request: RpcRequest, expiresAt: number): Promise<void> {
    if (performance.now() >= expiresAt) return;
    const handler = this.getHandlerByPattern(topic);
    const reply =
      handler === null ? problemReply(request.id, unknownPattern(topic)) : await this.run(handler, topic, request);
    await this.reply(request, reply);
  }

  private run(handler: NestHandler, topic: string, { id, data }: RpcRequest): Promise<Record<string, unknown>> {
    return new Promise((resolve) => {
      const context = new MqttContext([topic, {}]);
      this.runWithProcessingHooks(context, async (runEndHook) => {
        try {
          const response = await firstValueFrom(this.transformToObservable(await handler(data, context)));
          resolve({ id, response });
        } catch (error) {
          resolve(problemReply(id, problemOf(error)));
        } finally {
          runEndHook();
        }
      });
    });
  }

  private async reply({ replyTo, deadlineMs }: RpcRequest, reply: Record<string, unknown>): Promise<void> {
    try {
      await this.session?.publish(replyTo, JSON.stringify(reply), { deadlineMs });
    } catch (error) {
      this.logger.warn(`RPC over MQTT: a reply could not be sent: ${toError(error).message}`);
    }
  }
}

/** The problem that the caller gets. Nest has logged any other fault and hides it. */
function problemOf(fault: unknown): Problem {
  const inner = fault instanceof RpcException ? fault.getError() : fault;
  return inner instanceof Problem
    ? inner
    : new Problem('internal', 'The service that was asked failed inside; see its log.');
}

function busy(): Problem {
  return new Problem('unavailable', 'The service has too many requests to answer; try again later.', {
    retryAfterSeconds: 1,
  });
}

function unknownPattern(topic: string): Problem {
  return new Problem('not-found', `No service answers ${topic}.`);
}
