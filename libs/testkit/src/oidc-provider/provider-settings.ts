import { exportJWK, generateKeyPair, type JWTPayload } from 'jose';
import { Provider } from 'oidc-provider';

/** What `aud` of its tokens holds. */
export const audience = 'sallyport';
export const resource = 'urn:sallyport';
/** The one client of the provider, and the subject of the tokens that it gets for itself. */
export const client = {
  id: 'the-person',
  secret: 'a-secret',
  redirectUri: 'https://gateway.example/callback',
} as const;

export type ProviderKey = Awaited<ReturnType<typeof newKey>>;

export interface ProviderParts {
  readonly issuer: string;
  readonly key: ProviderKey;
  /** Claims of the next token. */
  readonly claims: () => JWTPayload;
  readonly lifetimeSeconds: () => number;
}

/** A provider that gives out JWT access tokens (RFC 9068) and refresh tokens. */
export function makeProvider({ issuer, key, claims, lifetimeSeconds }: ProviderParts): Provider {
  const server = () => ({
    scope: '',
    audience,
    accessTokenFormat: 'jwt',
    accessTokenTTL: lifetimeSeconds(),
    jwt: { sign: { alg: 'ES256' } },
  });
  return new Provider(issuer, {
    clients: [
      {
        client_id: client.id,
        client_secret: client.secret,
        grant_types: ['client_credentials', 'authorization_code', 'refresh_token'],
        redirect_uris: [client.redirectUri],
        response_types: ['code'],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys: [key.privateJwk] },
    scopes: ['openid', 'offline_access'],
    findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    pkce: { required: () => false },
    extraTokenClaims: claims,
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: server,
      },
    },
  });
}

/** A code as the provider gives it to the page of an app, after its user has agreed. */
export async function newCode(provider: Provider, accountId: string): Promise<string> {
  const grant = new provider.Grant({ accountId, clientId: client.id });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(resource, '');
  const fields = {
    accountId,
    client: await provider.Client.find(client.id),
    grantId: await grant.save(),
    redirectUri: client.redirectUri,
    scope: 'openid offline_access',
    resource,
    gty: 'authorization_code',
  };
  return new provider.AuthorizationCode(fields).save();
}

export async function newKey(kid: string) {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
  const named = { kid, alg: 'ES256', use: 'sig' };
  const [privateJwk, publicJwk] = [await exportJWK(privateKey), await exportJWK(publicKey)];
  return { kid, privateKey, privateJwk: { ...privateJwk, ...named }, publicJwk: { ...publicJwk, ...named } };
}
