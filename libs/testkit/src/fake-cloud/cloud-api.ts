import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { type IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type TemporaryDirectory, temporaryDirectory } from '../temporary-directory.js';
import type { TestCertificate } from '../test-ca.js';
import { answers, type CloudAnswer } from './answers.js';
import type { CloudRoutes } from './cloud-routes.js';
import { pathOf } from './route.js';
import { readBody, recordBody, type SeenRequest, seenRequest, statusOf } from './seen-request.js';
import { TcpFront } from './tcp-front.js';
import { WebSocketEcho } from './web-socket-echo.js';

interface SteeredAnswer {
  readonly path: string;
  readonly answer: CloudAnswer;
  timesLeft: number;
}

export interface ApiOptions {
  readonly certificate: TestCertificate;
  readonly routes: CloudRoutes;
  /** Default: a free one. */
  readonly port?: number | undefined;
  /** Takes each request, before it is answered. */
  readonly onRequest: (request: SeenRequest) => void;
}

/** The HTTPS half of the fake cloud. */
export class CloudApi implements AsyncDisposable {
  /** Every request, oldest first, upgrades too. */
  readonly requests: SeenRequest[] = [];
  readonly webSockets = new WebSocketEcho();
  private readonly steered: SteeredAnswer[] = [];
  private readonly directory: TemporaryDirectory = temporaryDirectory('sallyport-cloud-api-');

  private constructor(
    private readonly server: Server,
    private readonly options: Pick<ApiOptions, 'routes' | 'onRequest'>,
    /** The network in front of the API: cut it, let it hang. */
    readonly link: TcpFront,
  ) {}

  static async start({ certificate, routes, port, onRequest }: ApiOptions): Promise<CloudApi> {
    const server = createServer({
      ...credentials(certificate),
      maxHeaderSize: 256 * 1024,
      ALPNProtocols: ['http/1.1'],
    });
    // Slow clients are judged by who is tested, not by this server.
    Object.assign(server, { requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 60_000 });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const backPort = portOf(server);
    const api = new CloudApi(server, { routes, onRequest }, await TcpFront.open(() => backPort, port));
    server.on('request', (request, response) => void api.take(request, response));
    server.on('checkContinue', (request, response) => void api.take(request, response));
    server.on('upgrade', (request, socket, head) => api.upgrade(request, socket, head));
    server.on('connection', (socket) => socket.on('error', () => socket.destroy()));
    return api;
  }

  get port(): number {
    return this.link.port;
  }

  /** `https://localhost:<port>`, without a slash at the end. */
  get url(): string {
    return `https://localhost:${this.port}`;
  }

  /** Requests for this path, whatever their query. */
  requestsTo(path: string): SeenRequest[] {
    return this.requests.filter(({ target }) => pathOf(target) === path);
  }

  /**
   * Answers a path in another way, before any check of who asks.
   *
   * @param path  as it is on the wire, without the query
   * @param times after so many requests the path is as before; default: always
   * @returns     takes the answer back
   */
  answer(path: string, answer: CloudAnswer, { times = Number.POSITIVE_INFINITY } = {}): () => void {
    const entry = { path, answer, timesLeft: times };
    this.steered.unshift(entry);
    return () => {
      entry.timesLeft = 0;
    };
  }

  /** Shows another certificate to the clients that connect from now on. */
  showCertificate(certificate: TestCertificate): void {
    this.server.setSecureContext(credentials(certificate));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.webSockets.end();
    await this.link[Symbol.asyncDispose]();
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
    await this.directory.remove();
  }

  private async take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = seenRequest(request, statusOf(response));
    this.record(seen);
    const steered = this.steeredFor(seen);
    try {
      if (steered !== undefined) recordBody(request, seen.body);
      if (request.headers.expect !== undefined) response.writeContinue();
      await (steered ?? this.usual(seen))(request, response);
    } catch (error) {
      // The other side went away within its body or ours; or this fake has a fault, which the test shall see.
      if (request.socket.destroyed || response.headersSent) request.socket.destroy();
      else answers.status(500, `The fake cloud failed: ${error}`)(request, response);
    }
  }

  private usual(seen: SeenRequest): CloudAnswer {
    return async (request, response) => {
      const early = this.options.routes.refuse(seen);
      if (early !== undefined) {
        recordBody(request, seen.body);
        return early(request, response);
      }
      const body = await readBody(request, seen.body, this.directory);
      const answer = await this.options.routes.answer(seen, body);
      if (body.path !== undefined) await rm(body.path, { force: true });
      await answer(request, response);
    };
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const response = responseOn(request, socket);
    const seen = seenRequest(request, statusOf(response));
    this.record(seen);
    const steered = this.steeredFor(seen);
    if (steered !== undefined) return void steered(request, response);
    if (!this.options.routes.isKnown(request.headers.authorization))
      return void answers.unauthorized()(request, response);
    this.webSockets.accept(request, socket, head);
  }

  private record(seen: SeenRequest): void {
    this.requests.push(seen);
    this.options.onRequest(seen);
  }

  private steeredFor({ target }: SeenRequest): CloudAnswer | undefined {
    const entry = this.steered.find(({ path, timesLeft }) => timesLeft > 0 && path === pathOf(target));
    if (entry === undefined) return undefined;
    entry.timesLeft -= 1;
    return entry.answer;
  }
}

/** For an upgrade that is answered with something else than 101. */
function responseOn(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.once('finish', () => socket.end());
  if (socket instanceof Socket) response.assignSocket(socket);
  return response;
}

function credentials({ chainPem, keyPem }: TestCertificate): { cert: string; key: string } {
  return { cert: chainPem, key: keyPem };
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no TCP port.');
  return address.port;
}
