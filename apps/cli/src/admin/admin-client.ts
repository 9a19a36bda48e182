import { Problem, type ProblemType, problems, type ServiceName } from '@sallyport/protocol';
import { z } from 'zod';
import type { CommandLog } from '../command-log.js';
import { Failure } from '../failure.js';
import { type AdminAnswer, type AdminRequest, type AdminRoute, exchange } from './admin-exchange.js';
import { ServiceUnreachable } from './service-unreachable.js';

/** What to say when a service cannot be reached. */
export interface AdminClientOptions {
  readonly service: ServiceName;
  readonly route: AdminRoute;
  readonly signal?: AbortSignal;
  /** Told what is asked. */
  readonly log?: Pick<CommandLog, 'debug'>;
  /** Milliseconds for one request; 15 s when absent. */
  readonly timeoutMs?: number;
}

const defaultTimeoutMs = 15_000;

const problemDocument = z.object({ type: z.string(), detail: z.string() });
const urnPrefix = 'urn:sallyport:problem:';

/** Client of one service's admin API. Answers are checked against the schema of the protocol. */
export class AdminClient {
  readonly service: ServiceName;
  readonly #options: AdminClientOptions;

  constructor(options: AdminClientOptions) {
    this.service = options.service;
    this.#options = options;
  }

  /**
   * @throws Problem as the service says (`not-found`, `conflict`, …)
   * @throws Failure: the service cannot be reached, or answers something else than agreed
   */
  get<Body extends z.ZodType>(path: string, answer: Body): Promise<z.infer<Body>> {
    return this.#request({ method: 'GET', path }, answer);
  }

  /** As `get`, for answers that mean something at every status. */
  async getWhateverStatus<Body extends z.ZodType>(path: string, answer: Body): Promise<z.infer<Body>> {
    return this.#understood(await this.#send({ method: 'GET', path }), answer);
  }

  /** As `get`, with a body. */
  post<Body extends z.ZodType>(path: string, body: unknown, answer: Body): Promise<z.infer<Body>> {
    return this.#request({ method: 'POST', path, body }, answer);
  }

  /** The same client without its abort signal, for taking back what a cancelled command did. */
  uninterrupted(): AdminClient {
    const { service, route, timeoutMs = defaultTimeoutMs } = this.#options;
    return new AdminClient({ service, route, timeoutMs });
  }

  async #request<Body extends z.ZodType>(request: Sent, schema: Body): Promise<z.infer<Body>> {
    const answer = await this.#send(request);
    if (answer.status >= 400) throw problemFrom(this.service, answer);
    return this.#understood(answer, schema);
  }

  async #send(request: Sent): Promise<AdminAnswer> {
    const { service, route, signal, log, timeoutMs = defaultTimeoutMs } = this.#options;
    log?.debug(`${request.method} ${request.path} of ${service} at ${placeOf(route)}`);
    try {
      return await exchange(route, { ...request, timeoutMs, ...(signal === undefined ? {} : { signal }) });
    } catch (error) {
      signal?.throwIfAborted();
      throw unreachable(this.#options, error);
    }
  }

  #understood<Body extends z.ZodType>({ text }: AdminAnswer, schema: Body): z.infer<Body> {
    const parsed = schema.safeParse(parseJson(text));
    if (parsed.success) return parsed.data;
    throw new Failure(
      `The service ${this.service} answered something this program does not understand.`,
      'Program and services seem to be of different versions: build them again (npm run build) and restart the services.',
      { cause: parsed.error },
    );
  }
}

type Sent = Pick<AdminRequest, 'method' | 'path' | 'body'>;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Whatever it is, it is not what was agreed; the schema says so in one place.
    return undefined;
  }
}

function problemFrom(service: ServiceName, { status, text, headers }: AdminAnswer): Error {
  const document = problemDocument.safeParse(parseJson(text));
  const type = document.success ? document.data.type.slice(urnPrefix.length) : '';
  const retryAfter = Number(headers['retry-after']);
  if (document.success && isProblemType(type))
    return new Problem(
      type,
      document.data.detail,
      Number.isFinite(retryAfter) ? { retryAfterSeconds: retryAfter } : {},
    );
  return new Failure(`The service ${service} answered with status ${status}.`, 'Look into its log.');
}

function isProblemType(type: string): type is ProblemType {
  return Object.hasOwn(problems, type);
}

function placeOf(route: AdminRoute): string {
  return 'socketPath' in route ? route.socketPath : route.url.origin;
}

function unreachable({ service, route }: AdminClientOptions, error: unknown): ServiceUnreachable {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const place = placeOf(route);
  const { what, remedy } = wordsFor(code, { service, place, error });
  return new ServiceUnreachable(what, remedy, code, { cause: error });
}

function wordsFor(code: string, { service, place, error }: { service: string; place: string; error: unknown }) {
  if (code === 'EACCES')
    return {
      what: `Only the user who runs the service ${service} may use its admin API (${place}).`,
      remedy: 'Run the command as that user (sudo).',
    };
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return {
      what: `The service ${service} does not run: nothing listens at ${place}.`,
      remedy: 'Start the services (npm start), or name the configuration directory they use (--config-dir).',
    };
  return {
    what: `The service ${service} at ${place} did not answer: ${error instanceof Error ? error.message : String(error)}.`,
    remedy: 'Look for the reason (sallyport doctor), and into its log.',
  };
}
