import type { Duplex } from 'node:stream';
import { BlockMemory } from '../blocks/block-memory.js';
import { BlockTransfers } from '../blocks/block-transfers.js';
import {
  CoapError,
  type CoapRequest,
  type CoapResponse,
  type Endpoint,
  type EndReason,
  type Observation,
  type OutgoingRequest,
  type RefusedRequest,
  type RequestHandler,
  type RequestOptions,
} from '../exchange.js';
import type { FrameError } from '../frame-error.js';
import { type CoapMessage, kindOf } from '../message.js';
import {
  abortMessage,
  csmMessage,
  pingMessage,
  pongMessage,
  releaseMessage,
  type Signal,
  SignalError,
  signalOf,
} from '../signals.js';
import { type EndpointLimits, endpointLimits } from './limits.js';
import { MessageStream, type MessageStreamUser, type Overdue } from './message-stream.js';
import { type ObserveOptions, OwnRequests } from './own-requests.js';
import { PeerCapabilities } from './peer-capabilities.js';
import { ServedRequests } from './served-requests.js';

export interface CoapEndpointOptions {
  /** Default: nothing is found here (4.04). */
  readonly handler?: RequestHandler;
  /** Whether the connection ends after a request that was refused before the handler saw it. Default: it goes on. */
  readonly endsAfter?: (refused: RefusedRequest) => boolean;
  /** For the bodies that come or go in blocks, of all connections. Default: this connection has its own. */
  readonly blockMemory?: BlockMemory;
  /** Those that are not given are as in `defaultEndpointLimits`. */
  readonly limits?: Partial<EndpointLimits>;
  /** Gets what a handler or a listener of notifications threw that is no `CoapError`. */
  readonly onFault?: (fault: unknown, request: CoapRequest | undefined) => void;
}

const noToken = Buffer.alloc(0);
const longestTickMs = 1_000;
const notFound: RequestHandler = () => {
  throw new CoapError('4.04', 'nothing is served here');
};

/** One end of a connection of CoAP over TCP or TLS: see `Endpoint`. It takes the stream from now on, and sends its CSM. */
export class CoapEndpoint implements Endpoint, MessageStreamUser {
  readonly ended: Promise<EndReason>;
  /** True when the first CSM of the peer came; false when the connection ended before. */
  readonly opened: Promise<boolean>;
  private readonly limits: EndpointLimits;
  private readonly messages: MessageStream;
  private readonly peer = new PeerCapabilities();
  private readonly own: OwnRequests;
  private readonly served: ServedRequests;
  private readonly transfers: BlockTransfers;
  private readonly life = new AbortController();
  private readonly onFault: (fault: unknown, request: CoapRequest | undefined) => void;
  private readonly ticker: NodeJS.Timeout;
  private readonly settleEnded: (reason: EndReason) => void;
  private readonly settleOpened: (isOpened: boolean) => void;
  private reason: EndReason | undefined;
  private detail: string | undefined;
  private pingedAt = 0;
  private releasing: EndReason | undefined;
  private releaseTimer: NodeJS.Timeout | undefined;

  constructor(stream: Duplex, options: CoapEndpointOptions = {}) {
    const { handler = notFound, limits, onFault = () => undefined } = options;
    this.limits = endpointLimits(limits);
    this.transfers = new BlockTransfers({
      memory: options.blockMemory ?? ownMemory(this.limits),
      largestBodyBytes: this.limits.bodyBytes,
      lifetimeMs: this.limits.blockMs,
      peer: this.peer,
    });
    this.onFault = onFault;
    ({ promise: this.ended, resolve: this.settleEnded } = Promise.withResolvers<EndReason>());
    ({ promise: this.opened, resolve: this.settleOpened } = Promise.withResolvers<boolean>());
    this.own = new OwnRequests({ limits: this.limits, peer: this.peer, send: (message) => this.send(message) });
    this.served = new ServedRequests({
      handler,
      endsAfter: options.endsAfter ?? (() => false),
      transfers: this.transfers,
      limits: this.limits,
      signal: this.life.signal,
      send: (message, isLast) => this.sendAnswer(message, isLast),
      answered: () => this.answered(),
      onFault,
    });
    this.messages = new MessageStream({ stream, limits: this.limits, user: this });
    this.ticker = setInterval(() => this.tick(performance.now()), tickMsOf(this.limits));
    this.send(csmMessage({ maxMessageBytes: this.limits.messageBytes }));
  }

  /** What went wrong, for a log: the diagnostic of the peer's Abort, or what it broke. Undefined when nothing did. */
  get endDetail(): string | undefined {
    return this.detail;
  }

  request(request: OutgoingRequest, options: RequestOptions): Promise<CoapResponse> {
    return this.own.request(request, options);
  }

  observe(request: OutgoingRequest, options: ObserveOptions): Promise<Observation> {
    const onNotification = (notification: CoapResponse): void => this.guard(() => options.onNotification(notification));
    return this.own.observe(request, { ...options, onNotification });
  }

  notify(token: Buffer, response: CoapResponse): boolean {
    return this.send(this.transfers.notification(token, response));
  }

  /** Takes larger messages from now on, and tells the peer: a later CSM replaces the earlier one (RFC 8323 §5.3). */
  acceptMessages(largestBytes: number): void {
    this.messages.acceptMessages(largestBytes);
    this.send(csmMessage({ maxMessageBytes: largestBytes }));
  }

  async release(): Promise<void> {
    this.beginRelease('closed-here');
    await this.ended;
  }

  abort(diagnostic: string): void {
    this.stop('closed-here', diagnostic);
  }

  message(message: CoapMessage): void {
    switch (kindOf(message)) {
      case 'empty':
        return;
      case 'signal':
        this.takeSignal(message);
        return;
      case 'response':
        this.own.answer(message);
        return;
      case 'request':
        this.served.serve(message);
        if (this.isBusy) this.messages.hold();
    }
  }

  faulty(error: FrameError): void {
    this.stop('protocol-error', error.message);
  }

  writable(): void {
    if (!this.isBusy) this.messages.resume();
  }

  finished(): void {
    this.finish('peer-closed');
  }

  closed(): void {
    clearInterval(this.ticker);
    clearTimeout(this.releaseTimer);
    this.transfers.close();
    this.end('peer-closed');
    this.settleEnded(this.reason ?? 'peer-closed');
  }

  /** Requests of the peer wait: so many are answered already, or the peer does not take the answers. */
  private get isBusy(): boolean {
    return this.served.isFull || this.messages.unsentBytes > this.limits.unsentBytes / 4;
  }

  /** False: the connection is gone. */
  private send(message: CoapMessage): boolean {
    if (!this.messages.send(message)) return false;
    const { unsentBytes } = this.messages;
    if (unsentBytes <= this.limits.unsentBytes) return true;
    this.stop('too-slow', `the peer does not take ${unsentBytes} bytes that wait for it`);
    return false;
  }

  private sendAnswer(message: CoapMessage, isLast: boolean): void {
    if (this.send(message) && isLast) this.finish('closed-here');
  }

  private answered(): void {
    if (!this.isBusy) this.messages.resume();
    this.finishReleaseWhenIdle();
  }

  private takeSignal(message: CoapMessage): void {
    const signal = this.signalIn(message);
    switch (signal?.kind) {
      case 'csm':
        this.peer.note(signal);
        this.settleOpened(true);
        return;
      case 'ping':
        this.send(pongMessage(message.token));
        return;
      case 'release':
        this.beginRelease('released-by-peer');
        return;
      case 'abort':
        this.finish('aborted-by-peer', signal.diagnostic);
    }
  }

  /** Undefined for a signal that says nothing to us; or the connection has ended. */
  private signalIn(message: CoapMessage): Signal | undefined {
    try {
      return signalOf(message);
    } catch (error) {
      if (!(error instanceof SignalError)) throw error;
      const { message: diagnostic, badCsmOption } = error;
      this.messages.send(abortMessage({ diagnostic, ...(badCsmOption === undefined ? {} : { badCsmOption }) }));
      this.finish('protocol-error', diagnostic);
      return undefined;
    }
  }

  private tick(now: number): void {
    if (!this.messages.isOpen) return;
    const overdue = this.messages.overdue(now);
    if (overdue !== undefined) this.stop('too-slow', overdueTexts[overdue]);
    else if (this.messages.silentMs(now) >= this.limits.silenceMs) this.askForLife(now);
  }

  /** Any byte is a sign of life: libcoap answers with a Pong that has not our token. */
  private askForLife(now: number): void {
    const isAsked = this.pingedAt > this.messages.receivedAt;
    if (isAsked && now - this.pingedAt > this.limits.pongMs) this.stop('silent', 'the peer gives no sign of life');
    if (isAsked) return;
    this.pingedAt = now;
    this.send(pingMessage(noToken));
  }

  private beginRelease(reason: EndReason): void {
    if (this.releasing !== undefined || !this.messages.isOpen) return;
    this.releasing = reason;
    this.served.refuse();
    this.releaseTimer = setTimeout(() => this.finishRelease(), this.limits.releaseMs);
    this.finishReleaseWhenIdle();
  }

  /** libcoap closes as soon as it reads a Release, so ours comes behind the last answer. */
  private finishReleaseWhenIdle(): void {
    if (this.served.isIdle) this.finishRelease();
  }

  private finishRelease(): void {
    if (this.releasing === undefined || !this.messages.isOpen) return;
    if (this.releasing === 'closed-here') this.messages.send(releaseMessage());
    this.finish(this.releasing);
  }

  /** Ends with an Abort. */
  private stop(reason: EndReason, diagnostic: string): void {
    this.messages.send(abortMessage({ diagnostic }));
    this.finish(reason, diagnostic);
  }

  /** Ends when everything sent so far is delivered. */
  private finish(reason: EndReason, detail?: string): void {
    this.end(reason, detail);
    this.messages.end();
  }

  private end(reason: EndReason, detail?: string): void {
    if (this.reason !== undefined) return;
    this.reason = reason;
    this.detail = detail;
    this.life.abort();
    this.own.end(new CoapError('5.03', `the connection has ended: ${reason}`));
    this.settleOpened(false);
  }

  private guard(listener: () => void): void {
    try {
      listener();
    } catch (fault) {
      this.onFault(fault, undefined);
    }
  }
}

const overdueTexts: Record<Overdue, string> = {
  'first-message': 'the first message does not come',
  frame: 'the rest of a message does not come',
  'not-reading': 'the peer does not read',
};

function tickMsOf({ firstMessageMs, frameMs, silenceMs, pongMs, drainMs }: EndpointLimits): number {
  return Math.min(longestTickMs, Math.ceil(Math.min(firstMessageMs, frameMs, silenceMs, pongMs, drainMs) / 4));
}

/** One body that comes and one that goes. */
function ownMemory({ bodyBytes }: EndpointLimits): BlockMemory {
  return new BlockMemory({ mostBytes: 4 * bodyBytes, mostBytesEach: 2 * bodyBytes });
}
