import { errorCode } from '@sallyport/files';
import {
  type ActorName,
  type AdminRoute,
  actorHeader,
  Problem,
  problemDocument,
  type ServiceName,
} from '@sallyport/protocol';
import { z } from 'zod';
import { AdminFault } from './admin-fault.js';
import { type AdminAnswer, type AdminPlace, exchange } from './connection.js';
import { type AnyInput, type OperationInput, pathOf } from './operation.js';

export interface AdminClientOptions {
  readonly service: ServiceName;
  readonly place: AdminPlace;
  /** The person behind the requests: the user of this machine, or the person this program acts for. */
  readonly actor?: ActorName | undefined;
  readonly signal?: AbortSignal;
  /** Told what is asked. */
  readonly onRequest?: (text: string) => void;
  /** Makes the error that is thrown for a fault. Absent: the fault itself is thrown. */
  readonly faultOf?: (fault: AdminFault) => Error;
  /** Milliseconds for one request; 15 s when absent. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 15_000;

/** The input may be left out when an operation needs none. */
type Given<Route extends AdminRoute> =
  object extends OperationInput<Route> ? [input?: OperationInput<Route>] : [input: OperationInput<Route>];

/**
 * Client of one service's admin API. It calls the operations that `libs/protocol` declares, and its answers are what
 * their schemas say.
 *
 * @example const device = await registry.call(registryRoutes.showDevice, { params: { id: 'child01' } });
 */
export class AdminClient {
  readonly service: ServiceName;
  private readonly options: AdminClientOptions;

  constructor(options: AdminClientOptions) {
    this.service = options.service;
    this.options = options;
  }

  /**
   * @throws Problem as the service says (`not-found`, `conflict`, …)
   * @throws AdminFault: the service cannot be reached, or answers something else than agreed
   */
  call<Route extends AdminRoute, Answer extends z.ZodType>(
    operation: Route & { readonly response: Answer },
    ...input: Given<Route>
  ): Promise<z.output<Answer>>;
  call<Route extends AdminRoute>(
    operation: Route & { readonly response?: undefined },
    ...input: Given<Route>
  ): Promise<undefined>;
  async call(operation: AdminRoute, input: AnyInput = {}): Promise<unknown> {
    const answer = await this.send(operation, input);
    const isExpected = answer.status < 400 || operation.otherStatuses?.includes(answer.status) === true;
    if (!isExpected) throw this.problemFrom(answer);
    return operation.response === undefined ? undefined : this.understood(operation, operation.response, answer);
  }

  /** The same client without its abort signal, to undo what a cancelled command did. */
  uninterrupted(): AdminClient {
    const { signal: _, onRequest: __, ...options } = this.options;
    return new AdminClient(options);
  }

  private async send(operation: AdminRoute, input: AnyInput): Promise<AdminAnswer> {
    const { service, place, actor, signal, onRequest, timeoutMs = defaultTimeoutMs } = this.options;
    const { method } = operation;
    const path = pathOf(operation, input);
    onRequest?.(`${method} ${path} of ${service} at ${placeText(place)}`);
    const headers = {
      ...(actor === undefined ? {} : { [actorHeader]: actor }),
      ...(input.ifMatch === undefined ? {} : { 'if-match': input.ifMatch }),
    };
    const request = { method, path, headers, body: input.body, timeoutMs };
    try {
      return await exchange(place, { ...request, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      signal?.throwIfAborted();
      const code = errorCode(error) ?? '';
      const reason = error instanceof Error ? error.message : String(error);
      throw this.fault('unreachable', `did not answer: ${reason}`, { code, cause: error });
    }
  }

  private understood(operation: AdminRoute, schema: z.ZodType, { text }: AdminAnswer): unknown {
    const parsed = schema.safeParse(operation.textType === undefined ? parseJson(text) : text);
    if (parsed.success) return parsed.data;
    throw this.fault('not-understood', 'answered something this program does not understand', { cause: parsed.error });
  }

  private problemFrom({ status, text, headers }: AdminAnswer): Error {
    const document = problemDocument.safeParse(parseJson(text));
    if (!document.success) return this.fault('failed', `answered with status ${status}`, {});
    const { type, detail } = document.data;
    const retryAfter = Number(headers['retry-after']);
    return new Problem(type, detail, Number.isFinite(retryAfter) ? { retryAfterSeconds: retryAfter } : {});
  }

  private fault(kind: AdminFault['kind'], what: string, options: ErrorOptions & { readonly code?: string }): Error {
    const { service, place, faultOf } = this.options;
    const text = `The service ${service} ${what}.`;
    const fault = new AdminFault(text, { kind, service, place: placeText(place), ...options });
    return faultOf === undefined ? fault : faultOf(fault);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON. The schema refuses it, so there is one error for all wrong answers.
    return undefined;
  }
}

function placeText(place: AdminPlace): string {
  return 'socketPath' in place ? place.socketPath : place.url.origin;
}
