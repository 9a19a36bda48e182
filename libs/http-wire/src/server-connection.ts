import type { Duplex } from 'node:stream';
import type { IncomingRequest, ResponseWriter, ServerConnection, ServerLimits, ServerOptions } from './api.js';
import { type FramingError, RequestFault } from './faults.js';
import type { Framing } from './framing.js';
import type { WholeHead } from './head-assembly.js';
import type { IncomingBody } from './incoming-body.js';
import { LazyDeadline } from './lazy-deadline.js';
import { type MessageEvents, MessageReader } from './message-reader.js';
import { MessageWriter } from './message-writer.js';
import { faultHead, type RequestHead, readRequestHead, requestFaultOf } from './request-head.js';
import { type ExchangeOwner, ServerExchange } from './server-exchange.js';

const defaultLimits: ServerLimits = {
  headBytes: 16_384,
  headFields: 100,
  headMs: 15_000,
  idleMs: 120_000,
  keepAliveMs: 75_000,
  lingerMs: 5_000,
  lingerBytes: 16 * 1024 * 1024,
};

// The rest of a body that is cheaper to take in than a new connection.
const cheapRestBytes = 64 * 1024;
const continues = 'HTTP/1.1 100 Continue\r\n\r\n';

/**
 * Serves HTTP/1.1 and HTTP/1.0 on one connection, one request after the other. Requests that come before their turn wait
 * in the network: nothing is read while one is in hand and the next has begun to come.
 *
 * Faulty and slow requests are answered here, and their connection ends.
 */
export function serveHttp(socket: Duplex, options: ServerOptions): ServerConnection {
  return new HttpConnection(socket, options);
}

class HttpConnection implements MessageEvents, ServerConnection, ExchangeOwner {
  readonly writer: MessageWriter;
  private readonly limits: ServerLimits;
  private readonly reader: MessageReader;
  private readonly deadline: LazyDeadline;
  private head: RequestHead | undefined;
  private exchange: ServerExchange | undefined;
  private isReadingHead = false;
  private isFinishing = false;
  private isLingering = false;
  /** The next request waits until the client has read the response before it. */
  private isFull = false;
  private mayContinue = false;
  private readonly onDrain = (): void => this.takeDrain();
  private readonly onClose = (): void => this.takeClose();

  constructor(
    readonly socket: Duplex,
    private readonly options: ServerOptions,
  ) {
    this.limits = { ...defaultLimits, ...options.limits };
    this.writer = new MessageWriter(socket);
    this.deadline = new LazyDeadline(() => this.takeDeadline());
    this.reader = new MessageReader(socket, this, this.limits.headBytes);
    socket.on('drain', this.onDrain);
    socket.on('close', this.onClose);
    socket.on('error', ignore);
    // A client may end its side after its request, and still waits for the response (RFC 9112 §9.6).
    socket.allowHalfOpen = true;
    this.deadline.start(this.limits.keepAliveMs);
    this.reader.expect();
  }

  finish(): void {
    this.isFinishing = true;
    if (this.exchange === undefined && this.reader.isBetweenMessages) this.linger();
  }

  // Events of the reader.

  headBegins(): void {
    if (this.isReadingHead) return;
    this.isReadingHead = true;
    this.deadline.start(this.limits.headMs);
  }

  takeHead({ bytes, end }: WholeHead): Framing {
    const head = readRequestHead(bytes, end, this.limits.headFields);
    this.isReadingHead = false;
    this.head = head;
    this.mayContinue = head.expectsContinue && head.framing !== 0 && end === bytes.length;
    return head.framing;
  }

  takeBody(body: IncomingBody): void {
    const { head } = this;
    if (head === undefined) return;
    this.deadline.stop();
    const exchange = new ServerExchange(head, body, this);
    this.exchange = exchange;
    this.options.handler(exchange satisfies IncomingRequest, exchange satisfies ResponseWriter);
  }

  bodyWanted(): void {
    if (this.mayContinue && this.exchange?.isPending === true) this.socket.write(continues, 'latin1');
    this.mayContinue = false;
    this.watch();
  }

  bodyMoves(): void {
    this.mayContinue = false;
    this.watch();
  }

  bodyEnds(): void {
    this.watch();
    if (this.exchange?.isOver === true) this.next();
  }

  earlyBytes(): void {
    // The next request waits for its turn.
  }

  ends(): void {
    this.isFinishing = true;
    if (this.exchange === undefined) this.linger();
    else if (this.options.endsWithClient === true && this.exchange.isPending) this.socket.destroy();
  }

  fault(error: FramingError | RequestFault): void {
    const fault = requestFaultOf(error);
    const { exchange } = this;
    if (this.isLingering) return;
    if (exchange !== undefined && !exchange.isPending) {
      this.socket.destroy();
      return;
    }
    // The handler hears of it by the failure of the body. The answer is ours.
    exchange?.abandon();
    const answer = new ServerExchange(this.head ?? faultHead, undefined, this);
    this.exchange = answer;
    this.isFinishing = true;
    if (this.options.onFault === undefined) answer.answer(fault.status, plainText, `${fault.message}\n`);
    else this.options.onFault(fault, answer);
  }

  // For the exchange in hand.

  /** RFC 9112 §9.6: the response says so when the connection ends after it. */
  closesAfter(head: RequestHead): boolean {
    const isRestCheap = !this.mayContinue && this.reader.missingBytes <= cheapRestBytes;
    return this.isFinishing || !head.isPersistent || !isRestCheap;
  }

  /** Sets the deadline for what the client has to do next, if anything. */
  watch(): void {
    const { exchange } = this;
    if (exchange === undefined || this.isLingering) return;
    if (exchange.isWaitingForClient || this.socket.writableNeedDrain) this.deadline.start(this.limits.idleMs);
    else this.deadline.stop();
  }

  responseEnds(exchange: ServerExchange): void {
    if (exchange !== this.exchange) return;
    if (exchange.closesConnection) this.linger();
    else if (exchange.hasWholeRequest) this.next();
    else {
      exchange.discardRequest();
      this.watch();
    }
  }

  release(): Buffer {
    this.deadline.close();
    this.socket.off('drain', this.onDrain).off('close', this.onClose);
    return this.reader.release();
  }

  private next(): void {
    this.exchange = undefined;
    this.head = undefined;
    if (this.isFinishing) this.linger();
    else if (this.socket.writableNeedDrain) {
      // A client that sends requests and reads no responses would fill our memory.
      this.isFull = true;
      this.deadline.start(this.limits.idleMs);
    } else {
      this.deadline.start(this.limits.keepAliveMs);
      this.reader.expect();
    }
  }

  /** RFC 9112 §9.6: ends our side, and reads on for a while. Bytes that nobody reads would destroy the last response. */
  private linger(): void {
    if (this.isLingering) return;
    this.isLingering = true;
    this.exchange?.discardRequest();
    this.reader.release();
    let bytes = 0;
    this.socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > this.limits.lingerBytes) this.socket.destroy();
    });
    this.socket.resume();
    this.deadline.start(this.limits.idleMs);
    this.socket.end(() => this.deadline.start(this.limits.lingerMs));
  }

  private takeDeadline(): void {
    const { exchange } = this;
    if (this.isLingering || this.isFull) this.socket.destroy();
    else if (exchange === undefined && !this.isReadingHead) this.linger();
    else if (exchange === undefined || exchange.isPending)
      this.reader.fail(new RequestFault(408, 'The request did not come in time. Send it again.'));
    else this.socket.destroy();
  }

  private takeDrain(): void {
    if (this.isFull) {
      this.isFull = false;
      this.next();
      return;
    }
    this.exchange?.drain();
    this.watch();
  }

  private takeClose(): void {
    this.deadline.close();
    this.isLingering = true;
    this.exchange?.abandon();
    this.reader.stop(new Error('The client ended the connection.'));
  }
}

const plainText = ['Content-Type', 'text/plain; charset=utf-8'];

// 'close' follows, and says all that matters.
function ignore(): void {}
