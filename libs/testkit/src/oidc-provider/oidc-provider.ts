import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { base64url, type JWTPayload, SignJWT } from 'jose';
import type { Provider } from 'oidc-provider';
import { audience, client, makeProvider, newCode, newKey, type ProviderKey } from './provider-settings.js';

// The provider has the clock of the machine, and a service under test often another.
const longLifetimeSeconds = 20 * 365 * 24 * 3600;

/** What is wrong with a token. */
export interface TokenFlaw {
  readonly audience?: string;
  readonly issuer?: string;
  /** Seconds from `now`. */
  readonly expiresIn?: number;
  /** Seconds from `now`; default 120 before it. */
  readonly issuedIn?: number;
  readonly notBeforeIn?: number;
  readonly algorithm?: 'none' | 'HS256';
  /** Name of the key in its header. */
  readonly kid?: string;
  /** Signed with a key that the provider does not have. */
  readonly isForeign?: boolean;
  /** Of whoever reads it; default: 2026-06-01T12:00:00Z. */
  readonly now?: Date;
}

/** A real OpenID Connect provider, which gives out JWT access tokens (RFC 9068) for the client of the test. */
export class OidcProvider {
  /** Paths that were asked for, in order. */
  readonly requests: string[] = [];
  /** How long the access tokens that it gives live. */
  tokenLifetimeSeconds = longLifetimeSeconds;
  /** While set, it answers all requests with this status; 0 answers nothing at all. */
  outage: number | undefined;
  /** How it knows us. */
  readonly client = client;
  private claims: JWTPayload = {};
  private listener: RequestListener = (_request, response) => response.writeHead(503).end();
  private provider: Provider;

  private constructor(
    private readonly server: Server,
    private key: ProviderKey,
  ) {
    this.provider = this.serve();
  }

  static async start(): Promise<OidcProvider> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const provider = new OidcProvider(server, await newKey('first'));
    server.on('request', (request, response) => provider.answer(request, response));
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${portOf(this.server.address())}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  /** From now on it signs with another key, and shows only that one. Codes and refresh tokens are forgotten. */
  async changeKey(): Promise<void> {
    this.key = await newKey('second');
    this.provider = this.serve();
  }

  /** How often its keys were fetched. */
  get keyFetches(): number {
    return this.requests.filter((path) => path === '/jwks').length;
  }

  /** A token as the provider gives it, with more claims. Its subject is `the-person`. */
  async tokenFor(claims: JWTPayload): Promise<string> {
    this.claims = claims;
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    const answer: unknown = await response.json();
    const isAnswer = typeof answer === 'object' && answer !== null && 'access_token' in answer;
    if (!isAnswer || typeof answer.access_token !== 'string') throw new Error('the provider gave no token');
    return answer.access_token;
  }

  /** An authorization code of a user, and the claims of every token from now on. */
  codeFor(user: string, claims: JWTPayload = {}): Promise<string> {
    this.claims = claims;
    return newCode(this.provider, user);
  }

  /** A token that the provider did not give. */
  async forge(claims: JWTPayload, flaw: TokenFlaw): Promise<string> {
    const now = Math.floor((flaw.now ?? new Date('2026-06-01T12:00:00Z')).getTime() / 1000);
    const payload = {
      sub: client.id,
      ...claims,
      iss: flaw.issuer ?? this.issuer,
      aud: flaw.audience ?? audience,
      iat: now + (flaw.issuedIn ?? -120),
      exp: now + (flaw.expiresIn ?? 600),
      ...(flaw.notBeforeIn === undefined ? {} : { nbf: now + flaw.notBeforeIn }),
    };
    if (flaw.algorithm === 'none')
      return `${base64url.encode('{"alg":"none"}')}.${base64url.encode(JSON.stringify(payload))}.`;
    const key = flaw.isForeign === true ? await newKey(this.key.kid) : this.key;
    const secret = new TextEncoder().encode(JSON.stringify(key.publicJwk));
    const [alg, signer] = flaw.algorithm === 'HS256' ? ['HS256', secret] : ['ES256', key.privateKey];
    return new SignJWT(payload).setProtectedHeader({ alg, kid: flaw.kid ?? key.kid }).sign(signer);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(request.url ?? '');
    if (this.outage === undefined) this.listener(request, response);
    else if (this.outage > 0) response.writeHead(this.outage).end();
  }

  private serve(): Provider {
    const provider = makeProvider({
      issuer: this.issuer,
      key: this.key,
      claims: () => this.claims,
      lifetimeSeconds: () => this.tokenLifetimeSeconds,
    });
    this.listener = provider.callback();
    return provider;
  }
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}
