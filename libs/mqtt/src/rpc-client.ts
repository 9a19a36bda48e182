import { randomUUID } from 'node:crypto';
import { within } from '@sallyport/concurrency';
import { Problem, type RpcContract } from '@sallyport/protocol';
import { ZodError, type z } from 'zod';
import { transientClientId } from './connect.js';
import type { MqttConnection } from './port.js';
import { ReconnectingSession } from './reconnecting-session.js';
import { parseMessage, problemFromReply, type RpcReply, replyTopicRoot, rpcReply } from './rpc-envelope.js';

const defaultDeadlineMs = 3_000;

export interface CallOptions {
  /** Milliseconds until the call is given up; default 3 000. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** Calls the RPC handlers of other services. */
export abstract class RpcClient {
  /**
   * Calls the service that answers the contract.
   *
   * @returns the response, checked against the contract
   * @throws Problem as the service answered it
   * @throws Problem `unavailable`: no answer within the deadline, the connection was lost, or `signal` fired; the
   *   request may or may not have been carried out.
   * @throws Problem `invalid-request`: the request breaks the contract; nothing was sent.
   * @throws Problem `internal`: the response breaks the contract.
   */
  abstract call<Request extends z.ZodType, Response extends z.ZodType>(
    contract: RpcContract<Request, Response>,
    request: z.input<Request>,
    options?: CallOptions,
  ): Promise<z.output<Response>>;
}

export interface RpcClientOptions {
  /** Called for each lost connection, which is made again; default: a process warning. */
  readonly onFault?: (fault: Error) => void;
}

/** An RPC client as its owner sees it. */
export type OpenRpcClient = RpcClient & {
  /** False while the broker is away; calls made now wait for it until their deadline. */
  readonly isConnected: boolean;
  close(): Promise<void>;
};

/**
 * Opens an RPC client with a session and a reply topic of its own; waits up to 30 s for the broker.
 *
 * @throws Problem `unavailable`, `config-invalid`: as `connectMqtt` says.
 */
export async function connectRpcClient(
  connection: MqttConnection,
  options: RpcClientOptions = {},
): Promise<OpenRpcClient> {
  const client = new MqttRpcClient();
  await client.open(connection, options);
  return client;
}

interface PendingCall {
  readonly resolve: (reply: RpcReply) => void;
  readonly reject: (problem: Problem) => void;
}

class MqttRpcClient extends RpcClient {
  private readonly pending = new Map<string, PendingCall>();
  private readonly replyTo = `${replyTopicRoot}/${randomUUID()}`;
  private session: ReconnectingSession | undefined;

  async open(
    connection: MqttConnection,
    { onFault = (fault) => process.emitWarning(fault) }: RpcClientOptions,
  ): Promise<void> {
    this.session = await ReconnectingSession.open({
      connection,
      clientId: transientClientId(connection, 'rpc-client'),
      isDurable: false,
      filters: [{ filter: this.replyTo }],
      onMessage: ({ payload }) => this.settle(payload),
      onFault,
      // The broker forgot the reply topic with the session: no answer can come any more.
      onDisconnected: () => this.rejectAll('The connection to the MQTT broker was lost during the call.'),
    });
  }

  override async call<Request extends z.ZodType, Response extends z.ZodType>(
    contract: RpcContract<Request, Response>,
    request: z.input<Request>,
    { deadlineMs = defaultDeadlineMs, signal }: CallOptions = {},
  ): Promise<z.output<Response>> {
    const checked = contract.request.safeParse(request);
    if (!checked.success) throw new Problem('invalid-request', describe('request', contract.pattern, checked.error));
    const reply = await this.exchange(contract.pattern, request, deadlineMs, signal);
    if ('problem' in reply) throw problemFromReply(reply);
    const response = contract.response.safeParse(reply.response);
    if (!response.success) throw new Problem('internal', describe('response', contract.pattern, response.error));
    return response.data;
  }

  get isConnected(): boolean {
    return this.session?.isConnected === true;
  }

  async close(): Promise<void> {
    this.rejectAll('The service is stopping.');
    await this.session?.close();
  }

  private async exchange(pattern: string, data: unknown, deadlineMs: number, signal?: AbortSignal): Promise<RpcReply> {
    const id = randomUUID();
    const abort = (): void => this.pending.get(id)?.reject(new Problem('unavailable', 'The call was aborted.'));
    const late = () =>
      new Problem('unavailable', `No answer from ${pattern} within ${deadlineMs} ms. Is its service running?`);
    try {
      const answer = this.send(pattern, { id, replyTo: this.replyTo, deadlineMs, data });
      signal?.addEventListener('abort', abort, { once: true });
      if (signal?.aborted) abort();
      return await within(answer, deadlineMs, { late });
    } finally {
      signal?.removeEventListener('abort', abort);
      this.pending.delete(id);
    }
  }

  private send(
    pattern: string,
    request: { id: string; deadlineMs: number } & Record<string, unknown>,
  ): Promise<RpcReply> {
    return new Promise((resolve, reject) => {
      this.pending.set(request.id, { resolve, reject });
      this.session?.publish(pattern, JSON.stringify(request), { deadlineMs: request.deadlineMs }).catch(reject);
    });
  }

  private settle(payload: Buffer): void {
    const reply = parseMessage(rpcReply, payload);
    // A reply to a call that was given up, or a second one to the same call.
    if (reply === undefined) return;
    this.pending.get(reply.id)?.resolve(reply);
  }

  private rejectAll(detail: string): void {
    for (const { reject } of this.pending.values()) reject(new Problem('unavailable', detail));
    this.pending.clear();
  }
}

function describe(what: string, pattern: string, error: ZodError): string {
  const issues = error.issues.map(({ path, message }) => `${path.join('.') || what}: ${message}`);
  return `The ${what} of ${pattern} breaks its contract: ${issues.join('; ')}.`;
}
