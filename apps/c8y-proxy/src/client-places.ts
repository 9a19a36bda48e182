import { KeyedSemaphore } from '@sallyport/concurrency';
import type { IncomingRequest } from '@sallyport/http-wire';
import { ClientGone } from './forwarding/forwarding.js';
import { GatewayFault } from './forwarding/gateway-fault.js';

/** How many requests one client may have on their way to the cloud, and WebSockets open. */
export interface ClientLimits {
  readonly requests: number;
  readonly webSockets: number;
  readonly waitMs: number;
}

/** Three quarters of what the pool has, so that a client that reads nothing leaves something to the others. */
const usualLimits: ClientLimits = { requests: 48, webSockets: 192, waitMs: 30_000 };

/** Keeps one client from taking every connection to the cloud. Further requests of it wait, in their order. */
export class ClientPlaces {
  private readonly limits: ClientLimits;
  private readonly requests: KeyedSemaphore;
  private readonly webSockets: KeyedSemaphore;

  constructor(limits: Partial<ClientLimits> = {}) {
    this.limits = { ...usualLimits, ...limits };
    this.requests = new KeyedSemaphore(() => this.limits.requests);
    this.webSockets = new KeyedSemaphore(() => this.limits.webSockets);
  }

  /** @returns gives the place back; undefined when the client has to wait for one */
  tryEnter(client: string): (() => void) | undefined {
    return this.requests.tryAcquire(client) ? once(() => this.requests.release(client)) : undefined;
  }

  /**
   * Waits for a place, for a request that nobody else waits for.
   *
   * @throws ClientGone, or GatewayFault `proxy-busy`
   */
  async enter(client: string, request: Pick<IncomingRequest, 'onAbandoned'>): Promise<() => void> {
    const waiting = new AbortController();
    request.onAbandoned(() => waiting.abort(new ClientGone()));
    const timer = setTimeout(() => waiting.abort(tooMany('requests')), this.limits.waitMs);
    try {
      await this.requests.acquire(client, waiting.signal);
      return once(() => this.requests.release(client));
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws GatewayFault `proxy-busy` */
  enterWebSocket(client: string): () => void {
    if (!this.webSockets.tryAcquire(client)) throw tooMany('WebSockets');
    return once(() => this.webSockets.release(client));
  }
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
}

function tooMany(what: string): GatewayFault {
  return new GatewayFault('proxy-busy', `This client has too many ${what} open. Try again later.`, { status: 503 });
}
