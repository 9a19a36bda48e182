import { TLSSocket } from 'node:tls';
import { c8yProxyMethods } from '@sallyport/config';
import { mayPageAsk } from '@sallyport/http';
import {
  endToEndFields,
  type IncomingRequest,
  type RawStream,
  type RequestFault,
  type ResponseWriter,
  type ServerConnection,
  serveHttp,
  tunnel,
  UpstreamError,
  type UpstreamResponse,
} from '@sallyport/http-wire';
import { type MqttParty, Problem } from '@sallyport/protocol';
import type { InnerFaultLog } from '@sallyport/runtime';
import type { Connection } from '@sallyport/tls';
import { askedMethods } from './access/asked-methods.js';
import type { ProxyAccess } from './access/proxy-access.js';
import { answerFault, answerProblem } from './answers.js';
import type { ClientPlaces } from './client-places.js';
import { ClientGone, Forwarding } from './forwarding/forwarding.js';
import { GatewayFault } from './forwarding/gateway-fault.js';
import { gatewayFaultOf } from './forwarding/gateway-fault-of.js';
import type { ReplayRoom } from './forwarding/replay-room.js';
import { type Route, routeOf, tenantRoute } from './forwarding/route.js';
import type { Tenant } from './forwarding/tenant.js';
import { WatchedBody } from './forwarding/watched-body.js';
import type { ProxyMetrics } from './proxy-metrics.js';

/** What the connections of clients to one tenant share. */
export interface ClientContext {
  /** As in `cloud.connections`. */
  readonly name: string;
  /** Asked for each request, so that a reload takes effect. @throws GatewayFault */
  readonly tenant: () => Tenant;
  readonly access: () => ProxyAccess;
  /** Hosts whose pages may send requests. */
  readonly allowedHosts: () => readonly string[];
  readonly places: ClientPlaces;
  readonly room: ReplayRoom;
  readonly metrics: ProxyMetrics;
  /** Requests that failed inside. A full disk makes all of them fail, so it is told once a minute. */
  readonly innerFaults: InnerFaultLog;
  /** Logs what the cloud did wrong, without repeating itself. */
  readonly noteFault: (fault: GatewayFault) => void;
}

/** Who is on a connection. */
export interface Client {
  readonly party: MqttParty;
  /** Connections with one key share their places. */
  readonly key: string;
}

const methods: ReadonlySet<string> = new Set(c8yProxyMethods);
const allow = ['Allow', c8yProxyMethods.join(', ')];

/** Serves one connection of a client, until its end. */
export function serveClient(connection: Connection, client: Client, context: ClientContext): void {
  new ClientConnection(connection, client, context).open();
}

class ClientConnection {
  private server: ServerConnection | undefined;
  private isTunnel = false;

  constructor(
    private readonly connection: Connection,
    private readonly client: Client,
    private readonly context: ClientContext,
  ) {}

  open(): void {
    this.server = serveHttp(this.connection.socket, {
      handler: (request, response) => this.take(request, response),
      onFault: (fault, response) => this.answerFaulty(fault, response),
      // The cloud must not work for a client that has gone.
      endsWithClient: true,
    });
    this.connection.draining.addEventListener('abort', () => this.finish());
  }

  private finish(): void {
    // A WebSocket is passed unread, so nothing can say goodbye in its words.
    if (this.isTunnel) this.connection.close();
    else this.server?.finish();
  }

  private answerFaulty({ status, message }: RequestFault, response: ResponseWriter): void {
    this.context.metrics.answered(this.context.name, 'other', status);
    response.answer(status, ['Content-Type', 'text/plain'], `${message}\n`);
  }

  private take(request: IncomingRequest, response: ResponseWriter): void {
    const call = { request, response };
    const target = this.admit(call, routeOf(request.target));
    if (target === undefined) return;
    if (isWebSocket(request)) void this.forwardWebSocket(call, target);
    else this.forward(call, target);
  }

  /** Answers what does not go to the tenant. @returns the target of the tenant, for what does */
  private admit(call: Call, route: Route): string | undefined {
    const { method } = call.request;
    if (!this.mayAsk(call.request)) return this.refuse(call, foreignPage());
    if (route.kind === 'unknown') return this.refuse(call, noSuchPath());
    if (!methods.has(method)) return this.refuse(call, noSuchMethod(method), allow);
    if (route.kind === 'unclear') return this.refuse(call, unclearPath());
    if (route.kind === 'user-interface') return this.refuseUserInterface(call);
    const asked = askedMethods(method, call.request.fields);
    if (this.mayAll(asked, route.readings)) return route.target;
    return this.refuse(call, notAllowed(asked, this.client));
  }

  private mayAll(methods: readonly string[], readings: readonly string[]): boolean {
    const access = this.context.access();
    return methods.every((method) => access.allows(this.client.party, method, readings));
  }

  /** A page of another site would ask with the authority of this device. */
  private mayAsk({ fields }: IncomingRequest): boolean {
    const origin = fields.get('origin');
    if (origin === undefined) return true;
    const isTls = this.connection.socket instanceof TLSSocket;
    return mayPageAsk({ origin, host: fields.get('host'), isTls, allowedHosts: this.context.allowedHosts() });
  }

  private refuse({ request, response }: Call, problem: Problem, fields: readonly string[] = []): undefined {
    this.context.metrics.answered(this.context.name, request.method, problem.status);
    answerProblem(response, problem, fields);
  }

  /** As thin-edge.io does: without a body. */
  private refuseUserInterface({ request, response }: Call): undefined {
    this.context.metrics.answered(this.context.name, request.method, 403);
    response.answer(403, [], '');
  }

  /** A small request with a place and an authorization costs no promise on its way. */
  private forward(call: Call, target: string): void {
    const { places } = this.context;
    const { key } = this.client;
    const leave = places.tryEnter(key);
    if (leave !== undefined) this.forwardFrom(leave, call, target);
    else
      places.enter(key, call.request).then(
        (left) => this.forwardFrom(left, call, target),
        (fault: unknown) => this.fail(fault, call),
      );
  }

  private forwardFrom(leave: () => void, call: Call, target: string): void {
    const fail = (fault: unknown): void => {
      leave();
      this.fail(fault, call);
    };
    const deliver = (answer: UpstreamResponse): void => {
      try {
        this.deliver(answer, call, leave);
      } catch (fault) {
        fail(fault);
      }
    };
    try {
      this.forwardingOf(call).answerTo(target, deliver, fail);
    } catch (fault) {
      fail(fault);
    }
  }

  /** The tenant is asked first, so a client whose WebSocket cannot be opened gets an HTTP status. */
  private async forwardWebSocket(call: Call, target: string): Promise<void> {
    let leave: (() => void) | undefined;
    try {
      leave = this.context.places.enterWebSocket(this.client.key);
      const answer = await this.forwardingOf(call).openWebSocket(target);
      if (answer.tunnel === undefined) this.deliver(answer, call, leave);
      else this.pass(answer, answer.tunnel, { ...call, leave });
    } catch (fault) {
      leave?.();
      this.fail(fault, call);
    }
  }

  private forwardingOf(call: Call): Forwarding {
    const { tenant, room } = this.context;
    const mayVisit = (method: string, target: string): boolean => {
      const route = tenantRoute(target);
      return route.kind === 'tenant' && this.mayAll(askedMethods(method, call.request.fields), route.readings);
    };
    return new Forwarding({ ...call, tenant: tenant(), room, mayVisit });
  }

  /** @param leave called when the body has gone out, or is not wanted any more */
  private deliver(answer: UpstreamResponse, { request, response }: Call, leave: () => void): void {
    const { status, reason, contentLength } = answer;
    this.context.metrics.answered(this.context.name, request.method, status);
    const fields = endToEndFields(answer.fields);
    response.send({ status, reason, fields, contentLength }, new WatchedBody(answer.body, leave));
  }

  private pass(
    answer: UpstreamResponse,
    upstream: RawStream,
    { response, leave }: Call & Pick<Attempted, 'leave'>,
  ): void {
    const { name, metrics } = this.context;
    if (!response.isPending || answer.fields.get('upgrade')?.toLowerCase() !== 'websocket') {
      upstream.socket.destroy();
      throw response.isPending ? notWebSocket() : new ClientGone();
    }
    metrics.answered(name, 'GET', 101);
    metrics.webSocketOpened(name);
    this.isTunnel = true;
    const local = response.switchProtocols([
      'Connection',
      'Upgrade',
      'Upgrade',
      'websocket',
      ...endToEndFields(answer.fields),
    ]);
    tunnel(local, upstream, () => {
      metrics.webSocketClosed(name);
      leave();
    });
    if (this.connection.draining.aborted) this.finish();
  }

  private fail(fault: unknown, { request, response }: Call): void {
    const { name, metrics, innerFaults } = this.context;
    // The client has gone, or its body broke off, or the connection is cut already.
    if (!response.isPending || isOfClient(fault)) {
      metrics.answered(name, request.method, 0);
      if (response.isPending) response.cut();
      return;
    }
    const known = gatewayFaultOf(fault);
    if (known === undefined) {
      innerFaults.noteWith(fault, { method: request.method });
      this.refuse({ request, response }, new Problem('internal', 'The proxy has failed. Its log says why.'));
      return;
    }
    metrics.failed(name, known.reason);
    metrics.answered(name, request.method, known.status);
    this.context.noteFault(known);
    answerFault(response, known);
  }
}

interface Call {
  readonly request: IncomingRequest;
  readonly response: ResponseWriter;
}

interface Attempted {
  /** Gives back the place of the request. */
  readonly leave: () => void;
}

/** RFC 6455 §4.1. Any other request with an Upgrade field is served as if it had none (RFC 9110 §7.8). */
function isWebSocket({ method, upgrade, body }: IncomingRequest): boolean {
  return method === 'GET' && upgrade?.toLowerCase() === 'websocket' && body.length === 0;
}

function isOfClient(fault: unknown): boolean {
  return fault instanceof ClientGone || (fault instanceof UpstreamError && fault.code === 'request-aborted');
}

function foreignPage(): Problem {
  return new Problem(
    'forbidden',
    'Pages of another site may not send requests here. The setting c8y.proxy.allowed_hosts names those that may.',
    {
      extensions: { reason: 'foreign-page' },
    },
  );
}

function noSuchPath(): Problem {
  return new Problem('not-found', 'The proxy has the paths below /c8y/, such as /c8y/inventory/managedObjects.');
}

function noSuchMethod(method: string): Problem {
  return new Problem(
    'method-not-allowed',
    `The proxy does not pass on ${method}. It passes on ${c8yProxyMethods.join(', ')}.`,
  );
}

function unclearPath(): Problem {
  return new Problem(
    'invalid-request',
    'Servers may understand this path in several ways: it is encoded several times, or holds control characters.',
  );
}

function notAllowed(methods: readonly string[], { party }: Client): Problem {
  const who = party.role === 'anonymous' ? 'a client that has proved no identity' : `${party.role} ${party.name}`;
  return new Problem(
    'forbidden',
    `No rule of this site allows ${who} to ${methods.join(' and ')} this path. The setting c8y.proxy.rules_path names the rules.`,
    { extensions: { reason: 'no-rule-allows-it' } },
  );
}

function notWebSocket(): GatewayFault {
  return new GatewayFault('response-invalid', 'The cloud switched to another protocol than a WebSocket.');
}
