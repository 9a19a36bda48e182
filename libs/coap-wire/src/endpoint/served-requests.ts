import type { BlockTransfers } from '../blocks/block-transfers.js';
import {
  CoapError,
  type CoapRequest,
  type CoapResponse,
  type RefusedRequest,
  type RequestHandler,
} from '../exchange.js';
import type { CoapMessage } from '../message.js';
import { pathOf, type ReceivedRequest, requestOf } from '../request-of.js';
import { responseOf } from '../response-of.js';
import { messageOfResponse, responseOfError } from '../to-message.js';
import type { EndpointLimits } from './limits.js';

export interface ServedRequestsOptions {
  readonly handler: RequestHandler;
  readonly endsAfter: (refused: RefusedRequest) => boolean;
  readonly transfers: BlockTransfers;
  readonly limits: EndpointLimits;
  readonly signal: AbortSignal;
  /** Sends an answer; after one that `isLast`, the connection ends. */
  readonly send: (message: CoapMessage, isLast: boolean) => void;
  /** A request was answered, so there is room for another one. */
  readonly answered: () => void;
  readonly onFault: (fault: unknown, request: CoapRequest) => void;
}

const internalError: CoapResponse = { code: '5.00', payload: Buffer.from('internal error') };

/** The requests of the peer, and our answers. */
export class ServedRequests {
  private count = 0;
  private bytes = 0;
  private isRefusing = false;

  constructor(private readonly options: ServedRequestsOptions) {}

  get isIdle(): boolean {
    return this.count === 0;
  }

  get isFull(): boolean {
    const { limits } = this.options;
    return this.count >= limits.requestsAtOnce || this.bytes >= limits.requestBytes;
  }

  /** Answers what comes from now on with 5.03: the connection is about to end. */
  refuse(): void {
    this.isRefusing = true;
  }

  /** Answers at once where the handler does: most of what a busy connection costs are promises. */
  serve(message: CoapMessage): void {
    const { transfers } = this.options;
    const request = this.requestIn(message);
    if (request instanceof CoapError) {
      this.answerBelow(message, messageOfResponse(responseOfError(request), message));
      return;
    }
    const received = transfers.receive(request);
    if ('answer' in received) {
      this.answerBelow(message, received.answer);
      return;
    }
    const response = this.responseTo(received.request);
    // A request that came in blocks is larger than its last message.
    if (response instanceof Promise) this.answerLater(request, response, received.request.payload.length);
    else this.answer(request, response);
  }

  /** Answers what no handler sees: an error, or one more block. */
  private answerBelow(message: CoapMessage, answer: CoapMessage): void {
    const { code, payload } = responseOf(answer);
    const isError = !code.startsWith('2.');
    const refused = { path: pathOf(message), code, diagnostic: payload.toString() };
    this.options.send(answer, isError && this.options.endsAfter(refused));
  }

  private answerLater(request: ReceivedRequest, pending: Promise<CoapResponse>, bytes: number): void {
    this.count += 1;
    this.bytes += bytes;
    void pending.then((response) => {
      this.count -= 1;
      this.bytes -= bytes;
      this.answer(request, response);
      this.options.answered();
    });
  }

  private answer(request: ReceivedRequest, response: CoapResponse): void {
    this.options.send(this.messageOf(request, response), response.isLast === true);
  }

  /** A response that cannot be written, such as one with too long a location, must not end the process. */
  private messageOf(request: ReceivedRequest, response: CoapResponse): CoapMessage {
    try {
      return this.options.transfers.answer(request, response);
    } catch (error) {
      this.options.onFault(error, request);
      return messageOfResponse(internalError, request);
    }
  }

  private requestIn(message: CoapMessage): ReceivedRequest | CoapError {
    if (this.isRefusing) return new CoapError('5.03', 'the connection is about to end');
    try {
      return requestOf(message);
    } catch (error) {
      if (error instanceof CoapError) return error;
      throw error;
    }
  }

  /** Never throws or rejects. */
  private responseTo(request: CoapRequest): Promise<CoapResponse> | CoapResponse {
    const { handler, signal } = this.options;
    try {
      const response = handler(request, signal);
      return response instanceof Promise ? response.catch((error) => this.failure(error, request)) : response;
    } catch (error) {
      return this.failure(error, request);
    }
  }

  private failure(error: unknown, request: CoapRequest): CoapResponse {
    if (error instanceof CoapError) return responseOfError(error);
    const { signal, onFault } = this.options;
    if (!signal.aborted) onFault(error, request);
    return internalError;
  }
}
