import { Semaphore, within } from '@sallyport/concurrency';
import {
  CoapError,
  type CoapResponse,
  type Observation,
  type OutgoingRequest,
  type RequestOptions,
} from '../exchange.js';
import type { CoapMessage } from '../message.js';
import { BlockRequests } from './block-requests.js';
import { Exchanges } from './exchanges.js';
import type { EndpointLimits } from './limits.js';
import type { PeerCapabilities } from './peer-capabilities.js';
import { Relation } from './relation.js';

export interface OwnRequestsOptions {
  readonly limits: EndpointLimits;
  readonly peer: PeerCapabilities;
  /** False: the connection is gone. */
  readonly send: (message: CoapMessage) => boolean;
}

export type ObserveOptions = RequestOptions & { readonly onNotification: (notification: CoapResponse) => void };

/** Our requests to the peer. */
export class OwnRequests {
  private readonly exchanges: Exchanges;
  private readonly blocks: BlockRequests;
  private readonly places: Semaphore;
  private readonly mostWaiting: number;
  private waitingCount = 0;

  constructor({ limits, peer, send }: OwnRequestsOptions) {
    this.mostWaiting = limits.ownRequestsWaiting;
    this.exchanges = new Exchanges(send);
    this.blocks = new BlockRequests({ exchanges: this.exchanges, peer, mostBytes: limits.bodyBytes });
    this.places = new Semaphore(limits.ownRequestsAtOnce);
  }

  /** See `Endpoint.request`. */
  request(request: OutgoingRequest, options: RequestOptions): Promise<CoapResponse> {
    return this.inTime(options, (signal) => this.inPlace(signal, () => this.blocks.ask(request, signal)));
  }

  /** See `Endpoint.observe`. */
  async observe(request: OutgoingRequest, { onNotification, ...options }: ObserveOptions): Promise<Observation> {
    const { deadlineMs } = options;
    const relation = new Relation({
      request,
      exchanges: this.exchanges,
      whole: (first, stop) => {
        const options = { deadlineMs, ...(stop === undefined ? {} : { signal: stop }) };
        return this.inTime(options, (signal) => this.blocks.whole(request, first, signal));
      },
      onNotification,
    });
    const first = await this.inTime(options, (signal) => this.inPlace(signal, () => relation.begin(signal)));
    return {
      first,
      cancel: () => this.inTime({ deadlineMs }, (signal) => relation.cancel(signal)).catch(() => undefined),
    };
  }

  /** An answer of the peer. */
  answer(message: CoapMessage): void {
    this.exchanges.answer(message);
  }

  /** The connection ends: nobody gets an answer any more. */
  end(error: CoapError): void {
    this.exchanges.end(error);
  }

  private async inTime<Result>(
    { deadlineMs, signal }: RequestOptions,
    work: (signal: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    const ending = new AbortController();
    const late = (): Error => new CoapError('5.04', `the peer did not answer within ${deadlineMs} ms`);
    try {
      return await within(work(ending.signal), deadlineMs, { late, signal });
    } finally {
      ending.abort();
    }
  }

  private async inPlace<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    if (this.waitingCount >= this.mostWaiting)
      throw new CoapError('5.03', `${this.waitingCount} requests wait for this peer already`);
    this.waitingCount += 1;
    try {
      await this.places.acquire(signal);
      return await work().finally(() => this.places.release());
    } finally {
      this.waitingCount -= 1;
    }
  }
}
