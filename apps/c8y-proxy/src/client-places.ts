import type { IncomingRequest } from '@sallyport/http-wire';
import { FairPlaces, type PlaceLimits } from './fair-places.js';
import { ClientGone } from './forwarding/forwarding.js';
import { GatewayFault } from './forwarding/gateway-fault.js';

/** How many requests one client may have on their way to the cloud, and WebSockets open. */
export interface ClientLimits {
  readonly requests: PlaceLimits;
  readonly webSockets: PlaceLimits;
  readonly waitMs: number;
}

/** As many as the pool has connections (`UpstreamPool`): three quarters for one client, and the last for who has few. */
const usualLimits: ClientLimits = {
  requests: { all: 64, each: 48, lastPlaces: 16, few: 2 },
  webSockets: { all: 256, each: 192, lastPlaces: 64, few: 4 },
  waitMs: 30_000,
};

/** Keeps a few clients from taking every connection to the cloud. Further requests of them wait, in their order. */
export class ClientPlaces {
  private readonly limits: ClientLimits;
  private readonly requests: FairPlaces;
  private readonly webSockets: FairPlaces;

  constructor(limits: Partial<ClientLimits> = {}) {
    this.limits = { ...usualLimits, ...limits };
    this.requests = new FairPlaces(this.limits.requests);
    this.webSockets = new FairPlaces(this.limits.webSockets);
  }

  /** @returns gives the place back; undefined when the client has to wait for one */
  tryEnter(client: string): (() => void) | undefined {
    return this.requests.tryTake(client) ? once(() => this.requests.leave(client)) : undefined;
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
      await this.requests.take(client, waiting.signal);
      return once(() => this.requests.leave(client));
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws GatewayFault `proxy-busy` */
  enterWebSocket(client: string): () => void {
    if (!this.webSockets.tryTake(client)) throw tooMany('WebSockets');
    return once(() => this.webSockets.leave(client));
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
