import { randomUUID } from 'node:crypto';
import {
  type CoapEndpoint,
  CoapError,
  type CoapRequest,
  type CoapResponse,
  type RefusedRequest,
} from '@sallyport/coap-wire';
import { SerialQueue } from '@sallyport/concurrency';
import { ocfUuidOf } from '@sallyport/protocol';
import { type Connection, networkOf } from '@sallyport/tls';
import { RememberedGrants } from '../authorization/remembered-grants.js';
import { certifiedName } from './proof.js';
import { refreshToken } from './refresh-token.js';
import type { ConnectionEnd, DeviceLink, GatewayContext, ProvedUser, SecRequest } from './sec-context.js';
import { signInOrOut } from './sign-in.js';
import { signOff } from './sign-off.js';
import { signUp } from './sign-up.js';
import { SignedInSession } from './signed-in-session.js';
import { answerTime } from './time.js';

const longestShownPath = 64;

type Handler = (request: SecRequest) => Promise<CoapResponse>;

/** By the path of a resource that needs no sign-in: what answers each method. */
const secHandlers: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  '/oic/sec/account': { POST: signUp, DELETE: signOff },
  '/oic/sec/session': { POST: signInOrOut },
  '/oic/sec/tokenrefresh': { POST: refreshToken },
};

const unsupported: Handler = async () => {
  throw new CoapError('4.04', 'unsupported method');
};

/** One connection of a device, and who is signed in on it. */
export class DeviceConnection implements DeviceLink {
  private session: SignedInSession | undefined;
  private endpoint: CoapEndpoint | undefined;
  private isEnded = false;
  // In order: a sign-in must not overtake a sign-out.
  private readonly secRequests = new SerialQueue();
  private readonly tokens: RememberedGrants;
  private idleSinceMs = performance.now();

  constructor(
    private readonly context: GatewayContext,
    private readonly connection: Connection,
  ) {
    const name = certifiedName(connection);
    this.tokens = new RememberedGrants(context.authorization, name === undefined ? undefined : ocfUuidOf(name));
  }

  /** It speaks CoAP from now on. */
  serve(endpoint: CoapEndpoint): void {
    this.endpoint = endpoint;
    void endpoint.ended.then(() => {
      this.isEnded = true;
      this.leave();
    });
  }

  get signedIn(): SignedInSession | undefined {
    return this.session;
  }

  answer(request: CoapRequest, signal: AbortSignal): Promise<CoapResponse> | CoapResponse {
    const path = `/${request.path.join('/')}`;
    const handlers = secHandlers[path];
    if (handlers !== undefined) return this.answerSec(path, request, handlers[request.method] ?? unsupported);
    if (path === '/x.plgd.dev/time') return answerTime(request, this.context.clock);
    return this.answerSignedIn(path, request, signal);
  }

  /** Every error on the paths of security ends the connection, also one that is found before the request is read. */
  endsAfter({ path: segments, code, diagnostic }: RefusedRequest): boolean {
    const path = `/${segments.join('/')}`;
    if (!Object.hasOwn(secHandlers, path)) return false;
    this.context.refusals.note(this.connection, { path, code, diagnostic });
    return true;
  }

  /** Ends it when its time is over. Called every second. */
  checkTime({ now, signInMs }: { readonly now: Date; readonly signInMs: number }): void {
    const { session } = this;
    if (session?.isExpired(now) === true) this.end('the access token has expired');
    const isWaiting = session === undefined && this.secRequests.isIdle;
    if (isWaiting && performance.now() - this.idleSinceMs > signInMs) this.end('no sign-in in time');
  }

  /** Ends the connection at once, and tells the device why. */
  end(reason: ConnectionEnd): void {
    this.context.log.info({ ...this.logFields, reason }, 'connection of a device ended');
    this.leave();
    this.endpoint?.abort(reason);
  }

  enter(user: ProvedUser, expiresAt: Date | undefined): void {
    if (this.session?.isOf(user) === true) this.session.renew(user.access, expiresAt);
    else this.begin(user, expiresAt);
    this.tokens.clear();
  }

  renew(user: ProvedUser): void {
    if (this.session?.isOf(user) === true) this.session.renew(user.access, user.access.expiresAt);
  }

  leave(): void {
    const { session, context } = this;
    if (session === undefined) return;
    this.session = undefined;
    this.idleSinceMs = performance.now();
    context.counters.sessions -= 1;
    context.devices.leave(session);
    context.presence.offline(session);
    session.leave();
  }

  private begin(user: ProvedUser, expiresAt: Date | undefined): void {
    // Another device or user: what was begun for the former ends first.
    this.leave();
    const { context } = this;
    const session = this.newSession(user, expiresAt);
    this.session = session;
    context.presence.online(session);
    context.counters.sessions += 1;
    this.supersede(context.devices.enter(session));
    context.log.info({ ...this.logFields, tokenId: user.access.id, issuer: user.access.issuer }, 'device signed in');
    // The answer to the sign-in goes first, and what the gateway asks of the device follows.
    setImmediate(() => {
      this.acceptWholeMessages();
      context.work.begin(session);
    });
  }

  /** A device without a certificate is known only now. */
  private acceptWholeMessages(): void {
    const { connection, context } = this;
    if (connection.peer?.credential.kind === 'token') this.endpoint?.acceptMessages(context.rules().messageBytes);
  }

  /** @throws CoapError `4.29`: the device, or others as it, have signed in too often; `5.03`: the connection has ended */
  private newSession(user: ProvedUser, expiresAt: Date | undefined): SignedInSession {
    const { endpoint, context, connection } = this;
    const isTakeOver = context.devices.find(user.device) !== undefined;
    if (isTakeOver && !context.takeOvers.take(user.device, performance.now()))
      throw new CoapError('4.29', 'devices with this identity take the session from each other again and again');
    if (!context.signIns.take(user.device, performance.now()))
      throw new CoapError('4.29', 'the device signs in and out again and again');
    if (endpoint === undefined || this.isEnded)
      throw new CoapError('5.03', 'temporary error: the connection has ended');
    return new SignedInSession({
      user,
      expiresAt,
      endpoint,
      connectionId: randomUUID(),
      remoteAddress: connection.remoteAddress,
      end: (reason) => this.end(reason),
    });
  }

  private supersede(former: ReturnType<GatewayContext['devices']['enter']>): void {
    if (!(former instanceof SignedInSession)) return;
    this.context.counters.superseded += 1;
    former.end('superseded by a newer connection of the device');
  }

  /** Every error on these paths is answered, and ends the connection. */
  private answerSec(path: string, request: CoapRequest, handler: Handler): Promise<CoapResponse> {
    const { context, connection, tokens } = this;
    const source = { network: networkOf(connection.remoteAddress), identity: certifiedName(connection)?.toLowerCase() };
    return this.secRequests.run(async () => {
      try {
        const answer = await context.attempts.run(source, () =>
          handler({ request, context, connection, tokens, link: this }),
        );
        this.idleSinceMs = performance.now();
        return answer;
      } catch (error) {
        return this.lastWord(path, error);
      }
    });
  }

  private answerSignedIn(
    path: string,
    request: CoapRequest,
    signal: AbortSignal,
  ): Promise<CoapResponse> | CoapResponse {
    const { session, context } = this;
    if (session !== undefined && !session.isExpired(context.clock.now()))
      return context.work.answer(session, request, signal);
    const shown = path.slice(0, longestShownPath);
    const reason = `cannot handle request to path '${shown}': invalid authorization context`;
    return this.lastWord('other', new CoapError('4.01', reason));
  }

  private lastWord(path: string, error: unknown): CoapResponse {
    const { context, connection } = this;
    const fault = error instanceof CoapError ? error : new CoapError('5.00', 'internal error', { cause: error });
    if (fault !== error) context.faults.noteWith(error, { ...this.logFields, path });
    context.refusals.note(connection, { path, code: fault.code, diagnostic: fault.diagnostic });
    return { code: fault.code, payload: Buffer.from(fault.diagnostic), isLast: true };
  }

  /** Never a token, nor a code. */
  private get logFields() {
    const { connection, session } = this;
    const { remoteAddress } = connection;
    return session === undefined
      ? { remoteAddress }
      : { remoteAddress, deviceId: session.deviceId, connectionId: session.connectionId };
  }
}
