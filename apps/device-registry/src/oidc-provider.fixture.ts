import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { base64url, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose';
import { Provider } from 'oidc-provider';
import { z } from 'zod';

const audience = 'sallyport';
const person = 'the-person';
// The provider has the clock of the machine, and the registry that of the test.
const longLifetimeSeconds = 20 * 365 * 24 * 3600;
const tokenAnswer = z.object({ access_token: z.string() });

type Key = Awaited<ReturnType<typeof newKey>>;

/** What is wrong with a token. */
interface Flaw {
  readonly audience?: string;
  readonly issuer?: string;
  /** Seconds from now. */
  readonly expiresIn?: number;
  readonly algorithm?: 'none' | 'HS256';
  readonly isForeign?: boolean;
}

/** A real OpenID Connect provider, which gives out JWT access tokens (RFC 9068) for any client of the test. */
export class OidcProvider {
  private claims: JWTPayload = {};
  private listener: RequestListener = (_request, response) => response.writeHead(503).end();

  private constructor(
    private readonly server: Server,
    private key: Key,
  ) {}

  static async start(): Promise<OidcProvider> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const provider = new OidcProvider(server, await newKey('first'));
    server.on('request', (request, response) => provider.listener(request, response));
    provider.serve();
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

  /** From now on it signs with another key, and shows only that one. */
  async changeKey(): Promise<void> {
    this.key = await newKey('second');
    this.serve();
  }

  /** A token as the provider gives it, with more claims. Its subject is `the-person`. */
  async tokenFor(claims: JWTPayload): Promise<string> {
    this.claims = claims;
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${person}:a-secret`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    return tokenAnswer.parse(await response.json()).access_token;
  }

  /** A token that the provider did not give. */
  async forge(claims: JWTPayload, flaw: Flaw): Promise<string> {
    const now = Math.floor(Date.parse('2026-06-01T12:00:00Z') / 1000);
    const payload = {
      ...claims,
      sub: person,
      iss: flaw.issuer ?? this.issuer,
      aud: flaw.audience ?? audience,
      iat: now - 120,
      exp: now + (flaw.expiresIn ?? 600),
    };
    if (flaw.algorithm === 'none')
      return `${base64url.encode('{"alg":"none"}')}.${base64url.encode(JSON.stringify(payload))}.`;
    const key = flaw.isForeign === true ? await newKey(this.key.kid) : this.key;
    const secret = new TextEncoder().encode(JSON.stringify(key.publicJwk));
    const [alg, signer] = flaw.algorithm === 'HS256' ? ['HS256', secret] : ['ES256', key.privateKey];
    return new SignJWT(payload).setProtectedHeader({ alg, kid: key.kid }).sign(signer);
  }

  private serve(): void {
    const provider = new Provider(this.issuer, {
      clients: [
        {
          client_id: person,
          client_secret: 'a-secret',
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [],
          id_token_signed_response_alg: 'ES256',
        },
      ],
      jwks: { keys: [this.key.privateJwk] },
      extraTokenClaims: () => this.claims,
      features: {
        clientCredentials: { enabled: true },
        devInteractions: { enabled: false },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => 'urn:sallyport',
          useGrantedResource: () => true,
          getResourceServerInfo: () => ({
            scope: '',
            audience,
            accessTokenFormat: 'jwt',
            accessTokenTTL: longLifetimeSeconds,
            jwt: { sign: { alg: 'ES256' } },
          }),
        },
      },
    });
    this.listener = provider.callback();
  }
}

async function newKey(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const named = { kid, alg: 'ES256', use: 'sig' };
  const [privateJwk, publicJwk] = [await exportJWK(privateKey), await exportJWK(publicKey)];
  return { kid, privateKey, privateJwk: { ...privateJwk, ...named }, publicJwk: { ...publicJwk, ...named } };
}

function portOf(address: AddressInfo | string | null): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}
