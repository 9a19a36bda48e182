import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { IncomingRequest, RawStream, ResponseHead, ResponseWriter } from './api.js';
import { type Body, type BodySink, noBody, WholeBody } from './body.js';
import { dateLine } from './date-line.js';
import type { Fields } from './fields.js';
import type { Framing } from './framing.js';
import type { IncomingBody } from './incoming-body.js';
import { fieldLines, type MessageWriter } from './message-writer.js';
import type { RequestHead } from './request-head.js';

/** The connection of an exchange. */
export interface ExchangeOwner {
  readonly socket: Duplex;
  readonly writer: MessageWriter;
  /** The connection ends after a response that begins now. */
  closesAfter(head: RequestHead): boolean;
  watch(): void;
  responseEnds(exchange: ServerExchange): void;
  /** Gives the socket away; returns what was read of it and not used. */
  release(): Buffer;
}

/** One request on a connection, and its response. */
export class ServerExchange implements IncomingRequest, ResponseWriter, BodySink {
  readonly body: Body;
  closesConnection = false;
  private state: 'pending' | 'sending' | 'over' | 'abandoned' = 'pending';
  /** The body of the response, while it flows. */
  private outgoing: Body | undefined;
  private callback: (() => void) | undefined;

  /** @param incoming undefined: nothing more of the request is read */
  constructor(
    private readonly head: RequestHead,
    private readonly incoming: IncomingBody | undefined,
    private readonly owner: ExchangeOwner,
  ) {
    this.body = incoming ?? noBody;
  }

  get method(): string {
    return this.head.method;
  }

  get target(): string {
    return this.head.target;
  }

  get minorVersion(): 0 | 1 {
    return this.head.minorVersion;
  }

  get fields(): Fields {
    return this.head.fields.fields;
  }

  // RFC 9110 §7.8: a server ignores Upgrade in HTTP/1.0, and where Connection does not name it.
  get upgrade(): string | undefined {
    const { fields, minorVersion } = this.head;
    return minorVersion === 1 && fields.upgrade !== undefined && fields.connectionHas('upgrade')
      ? fields.upgrade
      : undefined;
  }

  get isPending(): boolean {
    return this.state === 'pending';
  }

  get isOver(): boolean {
    return this.state === 'over';
  }

  get hasWholeRequest(): boolean {
    return this.incoming?.isWhole !== false;
  }

  /** The rest of the request is wanted, and has not come. */
  get isWaitingForClient(): boolean {
    return !this.hasWholeRequest && this.incoming?.takesPieces === true;
  }

  onAbandoned(callback: () => void): void {
    if (this.state === 'abandoned') callback();
    else this.callback = callback;
  }

  send(head: ResponseHead, body: Body): void {
    this.begin(head, body, '');
  }

  answer(status: number, fields: readonly string[], body: string | Buffer): void {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const whole = bytes.length === 0 ? noBody : new WholeBody(bytes);
    this.begin({ status, fields, contentLength: bytes.length }, whole, dateLine());
  }

  /** @param firstLines that come before the fields */
  private begin(head: ResponseHead, body: Body, firstLines: string): void {
    if (this.state !== 'pending') {
      body.cancel();
      return;
    }
    const framing = this.framingOf(head.status, body);
    this.closesConnection = this.owner.closesAfter(this.head) || framing === 'until-close';
    const text = this.headText(head, framing, firstLines);
    this.state = 'sending';
    const { writer } = this.owner;
    writer.begin(text, framing ?? 0, body);
    if (framing === undefined) {
      body.cancel();
      this.end();
      return;
    }
    this.outgoing = body;
    body.flow(this);
  }

  switchProtocols(fields: readonly string[]): RawStream {
    if (this.state !== 'pending') throw new Error('The request has been answered, or its client has gone.');
    const { socket } = this.owner;
    const head = `HTTP/1.1 101 Switching Protocols\r\n${fieldLines(fields)}\r\n`;
    this.state = 'over';
    const rest = this.owner.release();
    socket.write(head, 'latin1');
    return { socket, head: rest };
  }

  cut(): void {
    this.owner.socket.destroy();
  }

  // The body of the response flows in here.

  write(piece: Buffer): void {
    if (this.isSending) this.owner.writer.write(piece);
  }

  flush(): boolean {
    if (!this.isSending) return true;
    const isTaken = this.owner.writer.flush();
    this.owner.watch();
    return isTaken;
  }

  end(): void {
    if (!this.isSending) return;
    this.owner.writer.end();
    this.outgoing = undefined;
    this.state = 'over';
    this.callback = undefined;
    this.owner.responseEnds(this);
  }

  /** The client must see that the response is not whole. */
  fail(): void {
    if (!this.isSending) return;
    this.outgoing = undefined;
    this.owner.socket.destroy();
  }

  // For the connection.

  /** The client reads again. */
  drain(): void {
    this.outgoing?.resume();
  }

  discardRequest(): void {
    this.incoming?.cancel();
  }

  /** No response is sent any more. */
  abandon(): void {
    if (this.state === 'over' || this.state === 'abandoned') return;
    this.state = 'abandoned';
    this.outgoing?.cancel();
    this.outgoing = undefined;
    this.callback?.();
  }

  private get isSending(): boolean {
    return this.state === 'sending';
  }

  /** @returns undefined where a response has no body (RFC 9112 §6.3) */
  private framingOf(status: number, body: Body): Framing | undefined {
    if (this.method === 'HEAD' || status === 204 || status === 304) return undefined;
    if (body.length !== undefined) return body.length;
    return this.minorVersion === 1 ? 'chunked' : 'until-close';
  }

  private headText(head: ResponseHead, framing: Framing | undefined, firstLines: string): string {
    const { status, reason, fields, contentLength } = head;
    const phrase = reason ?? STATUS_CODES[status] ?? '';
    const lines = firstLines + fieldLines(fields);
    return `HTTP/1.1 ${status} ${phrase}\r\n${lines}${framingLine(status, framing, contentLength)}${this.connectionLine()}\r\n`;
  }

  private connectionLine(): string {
    if (this.closesConnection) return 'Connection: close\r\n';
    return this.minorVersion === 1 ? '' : 'Connection: keep-alive\r\n';
  }
}

function framingLine(status: number, framing: Framing | undefined, contentLength: number | undefined): string {
  if (framing === 'chunked') return 'Transfer-Encoding: chunked\r\n';
  if (framing === 'until-close') return '';
  // RFC 9110 §8.6: none with 204.
  const length = framing ?? (status === 204 ? undefined : contentLength);
  return length === undefined ? '' : `Content-Length: ${length}\r\n`;
}
