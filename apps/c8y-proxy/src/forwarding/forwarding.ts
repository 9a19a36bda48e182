import {
  collect,
  type Exchange,
  endToEndFields,
  Fields,
  type IncomingRequest,
  noBody,
  type OutgoingRequest,
  type ResponseWriter,
  type UpstreamResponse,
} from '@sallyport/http-wire';
import type { IssuedAuthorization } from '../authorization/device-authorization.js';
import { GatewayFault } from './gateway-fault.js';
import { mostRedirects, redirected } from './redirect.js';
import type { ReplayRoom } from './replay-room.js';
import type { Tenant } from './tenant.js';

/** One request of a client, on its way to the tenant. */
export interface ForwardingOptions {
  readonly request: IncomingRequest;
  readonly response: ResponseWriter;
  readonly tenant: Tenant;
  readonly room: ReplayRoom;
  /** Whether the client may go where a redirect points. */
  readonly mayVisit: (method: string, target: string) => boolean;
}

/** The client has gone, so nobody waits for an answer. */
export class ClientGone extends Error {}

// The client names its own host; the tenant gets the one of the settings.
const hostOnly: ReadonlySet<string> = new Set(['host']);

// Answers that are not passed on are read to their end, so that their connection can be used again.
const largestUnwanted = 65_536;

const tenantCheck = '/tenant/currentTenant';

/** Sends a request to the tenant with the authority of the device, and finds the answer that the client is to get. */
export class Forwarding {
  private readonly fields: readonly string[];
  private readonly hasOwnAuthorization: boolean;
  private exchange: Exchange | undefined;
  private isAbandoned = false;

  constructor(private readonly options: ForwardingOptions) {
    const { request } = options;
    this.fields = endToEndFields(request.fields, hostOnly);
    this.hasOwnAuthorization = new Fields(this.fields).has('authorization');
    request.onAbandoned(() => {
      this.isAbandoned = true;
      this.exchange?.abort();
    });
  }

  /**
   * Finds the answer for the client; its body has not begun to flow. Calls one of both, once. Where nobody has to wait
   * for body or authorization, the request goes out at once, and its answer is passed on without a promise.
   *
   * @param target of the tenant
   * @param onFailure gets GatewayFault, UpstreamError, ClientGone, or the failure of the client's body
   */
  answerTo(target: string, onAnswer: (answer: UpstreamResponse) => void, onFailure: (fault: unknown) => void): void {
    const { request, tenant } = this.options;
    const authorization = this.hasOwnAuthorization ? undefined : tenant.authorization.present;
    if (request.body.length !== 0 || !(this.hasOwnAuthorization || authorization !== undefined)) {
      this.answerInTime(target).then(onAnswer, onFailure);
      return;
    }
    const asked = { method: request.method, target, fields: this.fields, body: noBody };
    const take = (answer: UpstreamResponse): void => {
      if (isFinal(answer)) onAnswer(answer);
      else this.follow(asked, authorization, answer).then(onAnswer, onFailure);
    };
    this.begin(asked, authorization).settle(take, onFailure);
  }

  private answerInTime(target: string): Promise<UpstreamResponse> {
    const { request, room } = this.options;
    return room.withBody(request.body, async (body) => {
      const authorization = await this.authorizationFor(body.isReplayable);
      const asked = { method: request.method, target, fields: this.fields, body };
      return this.follow(asked, authorization, await this.send(asked, authorization));
    });
  }

  /**
   * Asks the tenant for a WebSocket. An answer with a `tunnel` has opened one.
   *
   * @throws as `answerTo`
   */
  async openWebSocket(target: string): Promise<UpstreamResponse> {
    const authorization = await this.authorizationFor(true);
    const fields = ['Connection', 'Upgrade', 'Upgrade', 'websocket', ...this.fields];
    const asked = { method: 'GET', target, fields, body: noBody };
    const answer = await this.upgrade(asked, authorization);
    if (answer.status !== 401 || authorization === undefined || !this.mayReplace(authorization)) return answer;
    discard(answer);
    return this.upgrade(asked, await this.options.tenant.authorization.insteadOf(authorization));
  }

  /** A body that can be sent once only goes out with an authorization that the tenant has just accepted. */
  private async authorizationFor(isReplayable: boolean): Promise<IssuedAuthorization | undefined> {
    if (this.hasOwnAuthorization) return undefined;
    const { authorization } = this.options.tenant;
    const current = authorization.present ?? (await authorization.current());
    return isReplayable ? current : this.accepted(current);
  }

  private async accepted(authorization: IssuedAuthorization): Promise<IssuedAuthorization> {
    const answer = await this.send({ method: 'HEAD', target: tenantCheck, fields: [], body: noBody }, authorization);
    discard(answer);
    const isRefused = answer.status === 401 && this.mayReplace(authorization);
    return isRefused ? this.options.tenant.authorization.insteadOf(authorization) : authorization;
  }

  /** Goes on where the tenant refuses the authorization once, and where it redirects. */
  private async follow(
    first: OutgoingRequest,
    authorization: IssuedAuthorization | undefined,
    firstAnswer: UpstreamResponse,
  ): Promise<UpstreamResponse> {
    const { tenant, mayVisit } = this.options;
    let [asked, inUse, answer] = [first, authorization, firstAnswer];
    for (let redirects = 0; ; answer = await this.send(asked, inUse)) {
      if (answer.status === 401 && inUse !== undefined && inUse === authorization && this.mayReplace(inUse)) {
        const renewed = tenant.authorization.insteadOf(inUse);
        if (!asked.body.isReplayable) return withRenewalBehind(answer, renewed);
        discard(answer);
        inUse = await renewed;
      } else {
        const next = redirected(answer, asked, tenant);
        if (next === undefined || !mayVisit(next.method, next.target)) return answer;
        discard(answer);
        redirects += 1;
        if (redirects > mostRedirects) throw tooManyRedirects();
        asked = next;
      }
    }
  }

  private mayReplace(authorization: IssuedAuthorization): boolean {
    return this.options.tenant.authorization.mayReplace(authorization);
  }

  private async send(
    asked: OutgoingRequest,
    authorization: IssuedAuthorization | undefined,
  ): Promise<UpstreamResponse> {
    return this.begin(asked, authorization).response;
  }

  private begin(asked: OutgoingRequest, authorization: IssuedAuthorization | undefined): Exchange {
    if (this.isAbandoned) throw new ClientGone();
    const { tenant } = this.options;
    this.exchange = tenant.pool.exchange(authorized(asked, tenant, authorization));
    return this.exchange;
  }

  private upgrade(asked: OutgoingRequest, authorization: IssuedAuthorization | undefined): Promise<UpstreamResponse> {
    if (this.isAbandoned) throw new ClientGone();
    const { tenant } = this.options;
    this.exchange = tenant.pool.upgrade(authorized(asked, tenant, authorization));
    return this.exchange.response;
  }
}

function tooManyRedirects(): GatewayFault {
  return new GatewayFault('too-many-redirects', `The cloud redirected this request more than ${mostRedirects} times.`);
}

/** Neither refused nor a redirect. */
function isFinal({ status }: UpstreamResponse): boolean {
  return status !== 401 && (status < 300 || status >= 400);
}

function authorized(
  asked: OutgoingRequest,
  { hostField }: Tenant,
  authorization: IssuedAuthorization | undefined,
): OutgoingRequest {
  const own = authorization === undefined ? [] : ['Authorization', authorization.value];
  return { ...asked, fields: ['Host', hostField, ...asked.fields, ...own] };
}

/** The next request has a good token. This one cannot be sent again, so the client gets the 401. */
function withRenewalBehind(answer: UpstreamResponse, renewed: Promise<unknown>): UpstreamResponse {
  renewed.catch(() => undefined);
  return answer;
}

/** Nobody gets this answer. */
function discard({ body, tunnel }: UpstreamResponse): void {
  tunnel?.socket.destroy();
  collect(body, largestUnwanted).catch(() => undefined);
}
