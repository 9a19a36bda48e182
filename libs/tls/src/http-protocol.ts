import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { errorCode } from '@sallyport/files';
import { discardBody } from '@sallyport/http';
import { Problem, type RefusalReason } from '@sallyport/protocol';
import type { Connection } from './connection.js';
import { answerToParserError, problemOf } from './early-answers.js';
import type { Limits } from './limits.js';
import type { HttpListenerHandler } from './listener-options.js';
import type { ListenerSession } from './listener-session.js';
import { networkOf } from './network-of.js';
import { PipelineQuota, RequestQueue } from './request-queue.js';
import { hostOf, requestFault } from './request-rules.js';

export type HttpHandler = (request: IncomingMessage, response: ServerResponse, connection: Connection) => void;

/**
 * Takes a connection whose client asks for WebSockets (RFC 6455 §4.1). Answers the request on `connection.socket`: with
 * 101 and the new protocol from there on, or with a refusal in HTTP before it ends the connection.
 *
 * @param head  what the client has sent already of the new protocol
 */
export type UpgradeHandler = (request: IncomingMessage, connection: Connection, head: Buffer) => void;

/** Bytes of a request's body that are read and thrown away after an early answer. */
const mostDiscardedBytes = 1024 * 1024;

/** The same for a refused device of this site. Many clients send their whole file before they read an answer. */
const mostDiscardedBytesOfDevice = 16 * 1024 * 1024;

const deviceReasons: ReadonlySet<RefusalReason> = new Set(['device-locked', 'device-revoked', 'device-retired']);

const problemType = 'application/problem+json';

export interface HttpProtocolOptions {
  readonly handler: HttpListenerHandler;
  readonly limits: Limits;
  readonly sessionOf: (socket: Duplex) => ListenerSession | undefined;
  /** A request was answered without the handler: malformed, too large or too slow (`fault`), or sent to https. */
  readonly onAnsweredEarly: (how: 'fault' | 'redirect') => void;
}

/** Speaks HTTP/1.1 on connections the acceptor hands over: limits, checks of requests, redirects to https. */
export class HttpProtocol {
  private readonly server: Server;
  private readonly options: HttpProtocolOptions;
  private readonly answered = new WeakSet<Duplex>();
  private readonly queues = new WeakMap<ListenerSession, RequestQueue>();
  private readonly quota: PipelineQuota;

  constructor(options: HttpProtocolOptions) {
    const { http: handler, upgrade } = options.handler;
    this.options = options;
    this.quota = new PipelineQuota(options.limits.requestsWaitingOfPeer);
    const mayUpgrade = (request: IncomingMessage) => upgrade !== undefined && this.mayUpgrade(request);
    this.server = makeServer(options.limits, mayUpgrade);
    this.server.on('request', (request, response) => this.takeRequest(request, response, handler));
    this.server.on('checkContinue', (request, response) =>
      this.takeRequest(request, response, (...exchange) => {
        continueWhenRead(request, response, options.sessionOf(request.socket));
        handler(...exchange);
      }),
    );
    this.server.on('checkExpectation', (request, response) =>
      this.takeRequest(request, response, () => this.answerExpectation(request, response)),
    );
    if (upgrade !== undefined) this.offerUpgrade(upgrade);
    this.server.on('clientError', (error, socket) => this.answerParserError(error, socket));
    // This server never listens itself. Without this event it would not check its deadlines.
    this.server.emit('listening');
  }

  /** Takes over a connection, with everything the client has sent on it so far. */
  take(session: ListenerSession): void {
    this.server.emit('connection', session.socket);
  }

  close(): void {
    this.server.close();
  }

  private offerUpgrade(upgrade: UpgradeHandler): void {
    this.server.on('upgrade', (request, socket, head) => {
      const session = this.options.sessionOf(socket);
      // Check again: a Node without `shouldUpgradeCallback` emits this event for every request with an Upgrade header.
      if (session?.connection === undefined || !this.mayUpgrade(request)) {
        socket.destroy();
        return;
      }
      session.upgrade();
      upgrade(request, session.connection, head);
    });
  }

  /**
   * Whether this request takes its connection out of HTTP. If not, it is served as if it had no Upgrade header (RFC
   * 9110 §7.8): when it asks for another protocol, waits behind another request, is faulty, or its peer is not
   * admitted.
   */
  private mayUpgrade(request: IncomingMessage): boolean {
    const session = this.options.sessionOf(request.socket);
    if (session === undefined || !session.isEstablished || session.isOver) return false;
    const isFree = session.refusal === undefined && session.standing === 'current' && session.isIdle;
    return isFree && this.queues.get(session)?.isEmpty !== false && isWebSocketRequest(request);
  }

  /** Gives a request to the handler when its turn has come. */
  private takeRequest(request: IncomingMessage, response: ServerResponse, handler: HttpHandler): void {
    const session = this.options.sessionOf(request.socket);
    if (session === undefined) {
      response.destroy();
      return;
    }
    this.queueOf(session).take(request, response, () => this.serve(session, { request, response, handler }));
  }

  private queueOf(session: ListenerSession): RequestQueue {
    const known = this.queues.get(session);
    if (known !== undefined) return known;
    const { socket, peer, remoteAddress } = session;
    const line = new RequestQueue({
      socket,
      limits: this.options.limits,
      quota: this.quota,
      peer: peer === undefined ? `network ${networkOf(remoteAddress)}` : `device ${peer.deviceId}`,
      onFull: () => {
        this.options.onAnsweredEarly('fault');
        session.cut();
      },
    });
    this.queues.set(session, line);
    return line;
  }

  /** False when this request gets no answer, because an earlier answer ends the connection. */
  private serve(session: ListenerSession, { request, response, handler }: Exchange): boolean {
    if (session.isOver || session.hasLastRequest) {
      // Read the request. Closing with unread bytes sends a TCP reset, which could destroy the earlier answer.
      request.resume();
      return false;
    }
    // RFC 9112 §6.1: never answer HTTP/1.0 in chunks. Node would, when the client says TE: chunked.
    if (request.httpVersion === '1.0') response.useChunkedEncodingByDefault = false;
    session.track(response);
    if (session.refusal !== undefined) {
      this.answerRefusal(request, response, session.refusal);
      return true;
    }
    const fault = requestFault(request);
    if (fault !== undefined) this.answerFault(request, response, fault);
    else if (session.standing === 'redirected') this.redirect(request, response);
    else if (session.connection === undefined) response.destroy();
    else handler(request, response, session.connection);
    return true;
  }

  private answerFault(request: IncomingMessage, response: ServerResponse, fault: string): void {
    const problem = new Problem('invalid-request', fault);
    this.options.onAnsweredEarly('fault');
    this.answer(request, response, { status: 400, headers: { 'Content-Type': problemType }, problem });
  }

  /** The peer proved its certificate, but is not admitted. */
  private answerRefusal(request: IncomingMessage, response: ServerResponse, reason: RefusalReason): void {
    const problem = (this.options.handler.refusalProblem ?? problemOf)(reason);
    const retry = problem.retryAfterSeconds === undefined ? {} : { 'Retry-After': String(problem.retryAfterSeconds) };
    const headers = { 'Content-Type': problemType, ...retry };
    const discardBytes = deviceReasons.has(reason) ? mostDiscardedBytesOfDevice : mostDiscardedBytes;
    this.answer(request, response, { status: problem.status, headers, problem, discardBytes });
  }

  /** RFC 9110 §10.1.1: `100-continue` is the only expectation there is. */
  private answerExpectation(request: IncomingMessage, response: ServerResponse): void {
    this.options.onAnsweredEarly('fault');
    this.answer(request, response, { status: 417, headers: {} });
  }

  /** The same path over https; 307, so that method and body stay (RFC 9110 §15.4.8). */
  private redirect(request: IncomingMessage, response: ServerResponse): void {
    const host = hostOf(request);
    if (host === undefined) {
      this.answerFault(request, response, 'This port speaks HTTPS. Send the request again to its https:// address.');
      return;
    }
    this.options.onAnsweredEarly('redirect');
    this.answer(request, response, { status: 307, headers: { Location: `https://${host}${request.url}` } });
  }

  private answer(request: IncomingMessage, response: ServerResponse, answer: EarlyAnswer): void {
    const { status, headers, problem, discardBytes = mostDiscardedBytes } = answer;
    // When the rest of the request is not HTTP, the parser must not answer a second time.
    this.answered.add(request.socket);
    this.options.sessionOf(request.socket)?.closeAfter(response);
    const body = problem === undefined ? '' : JSON.stringify(problem);
    response.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body), Connection: 'close' });
    if (body === '') response.flushHeaders();
    else response.write(body);
    discardBody(request, { bytes: discardBytes, ms: this.options.limits.lingerMs }, () => response.end());
  }

  /** Answers once. Each further packet on the connection raises the error again. */
  private answerParserError(error: Error, socket: Duplex): void {
    if (this.answered.has(socket)) return;
    this.answered.add(socket);
    const code = errorCode(error) ?? '';
    const isOfTheRequest = code.startsWith('HPE_') || code === 'ERR_HTTP_REQUEST_TIMEOUT';
    if (isOfTheRequest) this.options.onAnsweredEarly('fault');
    const isMidAnswer = this.options.sessionOf(socket)?.hasBegunAnswer === true;
    if (!isOfTheRequest || !socket.writable || isMidAnswer) {
      socket.destroy();
      return;
    }
    socket.end(answerToParserError(code));
    // Ending is not enough: a client that never closes would hold the connection for ever.
    const linger = setTimeout(() => socket.destroy(), this.options.limits.lingerMs);
    socket.once('close', () => clearTimeout(linger));
  }
}

function isWebSocketRequest(request: IncomingMessage): boolean {
  const { method, headers, httpVersion } = request;
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    // The upgraded protocol would read a body as its first bytes.
    headers['content-length'] === undefined &&
    headers['transfer-encoding'] === undefined &&
    headers.expect === undefined &&
    requestFault(request) === undefined
  );
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly handler: HttpHandler;
}

interface EarlyAnswer {
  readonly status: number;
  /** Names as the standards spell them. Some clients compare them with case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly problem?: Problem;
  /** Bytes of the body to read and throw away; by default 1 MiB. */
  readonly discardBytes?: number;
}

/**
 * Sends 100 Continue when the handler begins to read the body, so that an early answer spares the client the upload.
 * After an early answer we cannot know whether the client sends the body anyway, so that answer ends the connection
 * (RFC 9110 §10.1.1).
 */
function continueWhenRead(
  request: IncomingMessage,
  response: ServerResponse,
  session: ListenerSession | undefined,
): void {
  const { shouldKeepAlive } = response;
  response.shouldKeepAlive = false;
  const onListener = (event: string | symbol): void => {
    if (event !== 'data' && event !== 'readable') return;
    request.off('newListener', onListener);
    if (response.headersSent) return;
    // Meanwhile the session may have got its last request.
    response.shouldKeepAlive = shouldKeepAlive && session?.hasLastRequest !== true;
    response.writeContinue();
  };
  request.on('newListener', onListener);
}

function makeServer(limits: Limits, mayUpgrade: (request: IncomingMessage) => boolean): Server {
  const server = createServer({
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: limits.headersCheckMs,
    // This limit is absolute and would end a large file on a slow line. `timeout` below counts silence only.
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    // `requestFault` checks it, and says more than Node's empty 400.
    requireHostHeader: false,
    shouldUpgradeCallback: mayUpgrade,
  });
  server.timeout = limits.idleMs;
  // No count: `headerBytes` is the limit. With a count, Node would hide further headers from our checks but still parse
  // them.
  server.maxHeadersCount = 0;
  return server;
}
