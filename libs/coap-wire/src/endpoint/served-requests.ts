import type { BlockTransfers } from '../blocks/block-transfers.js';
import { CoapError, type CoapRequest, type CoapResponse, type RequestHandler } from '../exchange.js';
import type { CoapMessage } from '../message.js';
import { type ReceivedRequest, requestOf } from '../request-of.js';
import { messageOfResponse, responseOfError } from '../to-message.js';
import type { EndpointLimits } from './limits.js';

export interface ServedRequestsOptions {
  readonly handler: RequestHandler;
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

  serve(message: CoapMessage): void {
    const bytes = message.payload.length;
    this.count += 1;
    this.bytes += bytes;
    void this.answer(message).then(() => {
      this.count -= 1;
      this.bytes -= bytes;
      this.options.answered();
    });
  }

  /** Never rejects. */
  private async answer(message: CoapMessage): Promise<void> {
    const { transfers, send } = this.options;
    const request = this.requestIn(message);
    if (request instanceof CoapError) return send(messageOfResponse(responseOfError(request), message), false);
    const received = transfers.receive(request);
    if ('answer' in received) return send(received.answer, false);
    const response = await this.responseTo(received.request);
    send(this.messageOf(request, response), response.isLast === true);
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

  private async responseTo(request: CoapRequest): Promise<CoapResponse> {
    const { handler, signal, onFault } = this.options;
    try {
      return await handler(request, signal);
    } catch (error) {
      if (error instanceof CoapError) return responseOfError(error);
      if (!signal.aborted) onFault(error, request);
      return internalError;
    }
  }
}
