import { CoapError, type CoapRequest, type CoapResponse, type RequestHandler } from '../exchange.js';
import type { CoapMessage } from '../message.js';
import { type ReceivedRequest, requestOf } from '../request-of.js';
import { messageOfResponse, responseOfError } from '../to-message.js';
import type { EndpointLimits } from './limits.js';

export interface ServedRequestsOptions {
  readonly handler: RequestHandler;
  readonly limits: EndpointLimits;
  readonly signal: AbortSignal;
  /** Sends an answer; after one that `isLast`, the connection ends. */
  readonly send: (message: CoapMessage, isLast: boolean) => void;
  /** A request was answered, so there is room for another one. */
  readonly answered: () => void;
  readonly onFault: (fault: unknown, request: CoapRequest) => void;
}

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
    const response = await this.responseTo(message);
    this.options.send(messageOfResponse(response, { token: message.token }), response.isLast === true);
  }

  private async responseTo(message: CoapMessage): Promise<CoapResponse> {
    let request: ReceivedRequest | undefined;
    try {
      request = requestOf(message);
      if (this.isRefusing) throw new CoapError('5.03', 'the connection is about to end');
      return await this.options.handler(request, this.options.signal);
    } catch (error) {
      if (error instanceof CoapError) return responseOfError(error);
      if (request !== undefined && !this.options.signal.aborted) this.options.onFault(error, request);
      return { code: '5.00', payload: Buffer.from('internal error') };
    }
  }
}
