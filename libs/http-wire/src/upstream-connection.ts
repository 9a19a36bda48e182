import type { Duplex } from 'node:stream';
import type { UpstreamLimits } from './api.js';
import type { BodySink } from './body.js';
import { type FramingError, type RequestFault, UpstreamError } from './faults.js';
import type { Framing } from './framing.js';
import type { WholeHead } from './head-assembly.js';
import type { IncomingBody } from './incoming-body.js';
import { LazyDeadline } from './lazy-deadline.js';
import { type MessageEvents, MessageReader } from './message-reader.js';
import { MessageWriter } from './message-writer.js';
import { type ParsedResponseHead, readResponseHead } from './response-head.js';
import type { ExchangeHolder, UpstreamExchange } from './upstream-exchange.js';

/** The pool of a connection. */
export interface ConnectionOwner {
  /** The connection can take another exchange. */
  free(connection: UpstreamConnection): void;
  /** The connection has ended, or has become a tunnel. */
  gone(connection: UpstreamConnection): void;
  /** The exchange has to be sent again: this connection had been closed before. */
  repeat(exchange: UpstreamExchange): void;
}

// A server that sends "102 Processing" for ever gives no response.
const mostInterimHeads = 32;

/** One connection to the upstream: one exchange at a time. */
export class UpstreamConnection implements MessageEvents, BodySink, ExchangeHolder {
  private readonly reader: MessageReader;
  private readonly writer: MessageWriter;
  private readonly deadline: LazyDeadline;
  private exchange: UpstreamExchange | undefined;
  private head: ParsedResponseHead | undefined;
  private body: IncomingBody | undefined;
  private exchanges = 0;
  private interimHeads = 0;
  private isSent = false;
  private hasBytes = false;
  private isGone = false;
  private readonly onDrain = (): void => this.takeDrain();
  private readonly onClose = (): void => this.takeClose();
  private readonly onError = (error: Error): void => this.takeError(error);

  constructor(
    private readonly socket: Duplex,
    private readonly limits: UpstreamLimits,
    private readonly owner: ConnectionOwner,
  ) {
    this.writer = new MessageWriter(socket);
    this.deadline = new LazyDeadline(() => this.takeDeadline());
    this.reader = new MessageReader(socket, this, limits.headBytes);
    socket.on('drain', this.onDrain);
    socket.on('close', this.onClose);
    socket.on('error', this.onError);
  }

  get isUsable(): boolean {
    return !this.isGone && this.socket.writable && !this.socket.destroyed && !this.reader.hasPeerEnded;
  }

  run(exchange: UpstreamExchange): void {
    this.exchange = exchange;
    this.exchanges += 1;
    this.interimHeads = 0;
    this.isSent = false;
    this.hasBytes = false;
    exchange.begin();
    exchange.holder = this;
    this.deadline.stop();
    this.reader.expect();
    const { body } = exchange.request;
    this.writer.begin(exchange.headText, exchange.framing, body);
    body.flow(this);
  }

  abandon(exchange: UpstreamExchange, error: UpstreamError): void {
    if (exchange === this.exchange) this.break(error);
  }

  /** Keeps the connection until the next exchange, or `keepAliveMs`. */
  rest(): void {
    this.deadline.start(this.limits.keepAliveMs);
  }

  destroy(): void {
    this.leave();
    this.socket.destroy();
  }

  // The body of the request flows in here.

  write(piece: Buffer): void {
    if (this.isSending) this.writer.write(piece);
  }

  flush(): boolean {
    if (!this.isSending) return true;
    const isTaken = this.writer.flush();
    this.watch();
    return isTaken;
  }

  end(): void {
    if (!this.isSending) return;
    this.writer.end();
    this.isSent = true;
    if (this.head === undefined) this.deadline.start(this.limits.headMs);
  }

  fail(error: Error): void {
    if (!this.isSending) return;
    this.break(new UpstreamError('request-aborted', 'The body of the request ended too early.', { cause: error }));
  }

  // Events of the reader.

  headBegins(): void {
    this.hasBytes = true;
  }

  takeHead({ bytes, end }: WholeHead): Framing | undefined {
    this.hasBytes = true;
    const method = this.exchange?.request.method ?? 'GET';
    const head = readResponseHead(bytes, { end, mostFields: this.limits.headFields, method });
    const isTunnel = head.status === 101 && this.exchange?.upgrades === true;
    if (head.status < 200 && !isTunnel) return this.skipInterim(head);
    this.head = head;
    return isTunnel ? 0 : head.framing;
  }

  takeBody(body: IncomingBody): void {
    const { exchange, head } = this;
    if (exchange === undefined || head === undefined) return;
    this.body = body;
    const { status, reason, contentLength } = head;
    const tunnel = status === 101 ? { socket: this.socket, head: this.giveAway() } : undefined;
    exchange.succeed({ status, reason, fields: head.fields.fields, contentLength, body, tunnel });
    if (tunnel === undefined) this.watch();
  }

  bodyWanted(): void {
    this.watch();
  }

  bodyMoves(): void {
    this.watch();
  }

  bodyEnds(): void {
    const { exchange, head, isSent } = this;
    if (exchange === undefined || this.isGone) return;
    this.exchange = undefined;
    this.body = undefined;
    this.head = undefined;
    exchange.holder = undefined;
    this.deadline.stop();
    // RFC 9112 §9.3.1: after a response to half a request, nobody knows where the next request would begin.
    if (!isSent) exchange.request.body.cancel();
    if (isSent && head?.isPersistent === true && this.reader.isBetweenMessages && this.isUsable) this.owner.free(this);
    else this.destroy();
  }

  earlyBytes(): void {
    this.destroy();
  }

  fault(error: FramingError | RequestFault): void {
    this.hasBytes = true;
    this.break(upstreamErrorOf(error));
  }

  ends(): void {
    this.break(lostConnection());
  }

  private get isSending(): boolean {
    return this.exchange !== undefined && !this.isSent;
  }

  private skipInterim({ status }: ParsedResponseHead): undefined {
    this.interimHeads += 1;
    if (status === 101 || this.interimHeads > mostInterimHeads)
      this.break(new UpstreamError('response-malformed', `The upstream answered ${status}, which nobody asked for.`));
    return undefined;
  }

  /** Sets the deadline for what the upstream has to do next, if anything. */
  private watch(): void {
    if (this.exchange === undefined) return;
    const isStalled = this.socket.writableNeedDrain || this.body?.isBlocked === false;
    if (isStalled) this.deadline.start(this.limits.idleMs);
    else if (this.head !== undefined || !this.isSent) this.deadline.stop();
  }

  private takeDrain(): void {
    if (!this.isSending) return;
    this.watch();
    this.exchange?.request.body.resume();
  }

  private takeDeadline(): void {
    const { exchange, head, isSent, limits } = this;
    if (exchange === undefined) this.destroy();
    else if (head !== undefined)
      this.break(new UpstreamError('body-timeout', `Nothing of the response came for ${limits.idleMs} ms.`));
    else if (isSent)
      this.break(new UpstreamError('head-timeout', `No response came within ${limits.headMs} ms of the request.`));
    else
      this.break(
        new UpstreamError('send-timeout', `The upstream took nothing of the request for ${limits.idleMs} ms.`),
      );
  }

  private takeError(error: Error): void {
    this.break(lostConnection(error));
  }

  private takeClose(): void {
    this.break(lostConnection());
  }

  /** Ends the connection, and says why to the exchange on it. */
  private break(error: UpstreamError): void {
    const { exchange, body, hasBytes } = this;
    if (this.isGone) return;
    this.exchange = undefined;
    this.destroy();
    if (exchange === undefined) return;
    const isStale = error.code === 'connection-lost' && this.exchanges > 1 && !hasBytes;
    if (body !== undefined) body.fail(insideResponse(error));
    if (exchange.isSettled) exchange.request.body.cancel();
    else if (isStale && exchange.mayRepeat) this.owner.repeat(exchange);
    else exchange.fail(error);
    this.reader.stop(error);
  }

  private giveAway(): Buffer {
    this.exchange = undefined;
    this.leave();
    this.socket.off('drain', this.onDrain).off('close', this.onClose);
    return this.reader.release();
  }

  private leave(): void {
    if (this.isGone) return;
    this.isGone = true;
    this.deadline.close();
    this.owner.gone(this);
  }
}

function lostConnection(cause?: Error): UpstreamError {
  return new UpstreamError('connection-lost', 'The connection ended before a response came.', { cause });
}

/** The same loss, where a part of the response has come already. */
function insideResponse(error: UpstreamError): UpstreamError {
  if (error.code !== 'connection-lost') return error;
  return new UpstreamError('response-incomplete', 'The connection ended inside the response.', { cause: error.cause });
}

function upstreamErrorOf(error: FramingError | RequestFault): UpstreamError {
  const kind = 'kind' in error ? error.kind : 'malformed';
  const message = `The response is not HTTP/1.1: ${error.message}.`;
  switch (kind) {
    case 'incomplete':
      return new UpstreamError('response-incomplete', 'The connection ended inside the response.');
    case 'too-large':
      return new UpstreamError('response-too-large', message);
    case 'malformed':
      return new UpstreamError('response-malformed', message);
    default:
      return kind satisfies never;
  }
}
