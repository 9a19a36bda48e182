import type { CoapProvider } from '@sallyport/config';
import { readOperatorFile } from '@sallyport/files';
import {
  type ClientCredentials,
  type GrantedTokens,
  ProviderUnavailable,
  requestTokens,
  TokenIssuer,
  withoutLastSlash,
} from '@sallyport/oidc';
import type { TokenSettings } from './authorization-settings.js';
import type { TokenClaims, TokenProvider } from './token-provider.js';

export interface OidcOptions {
  readonly tokens: TokenSettings;
  readonly now: () => Date;
  /** For each request to a provider. */
  readonly deadlineMs: number;
}

/** Providers of OpenID Connect, as the file of the operator names them. Those with one issuer share its keys. */
export function openOidcProviders(providers: readonly CoapProvider[], options: OidcOptions): OidcTokenProvider[] {
  const issuers = new Map(
    providers.map(({ issuer }) => [withoutLastSlash(issuer), new TokenIssuer({ ...options, issuer })] as const),
  );
  return providers.flatMap((settings) => {
    const issuer = issuers.get(withoutLastSlash(settings.issuer));
    if (issuer === undefined) return [];
    return settings.grant_type === 'client_credentials'
      ? new ClientGrantProvider(settings, issuer, options)
      : new CodeGrantProvider(settings, issuer, options);
  });
}

/** A provider of OpenID Connect. What it says of itself is fetched when it is first needed, and again later. */
export abstract class OidcTokenProvider implements TokenProvider {
  readonly name: string;
  readonly issuer: string;

  constructor(
    protected readonly settings: CoapProvider,
    private readonly tokenIssuer: TokenIssuer,
    protected readonly options: OidcOptions,
  ) {
    this.name = settings.name;
    this.issuer = withoutLastSlash(settings.issuer);
  }

  abstract exchange(code: string): Promise<GrantedTokens>;
  abstract refresh(refreshToken: string): Promise<GrantedTokens>;

  verify(accessToken: string): Promise<TokenClaims> {
    const { audience } = this.options.tokens;
    return this.tokenIssuer.verify(accessToken, { audience, requiredClaims: [], refusesFuture: true });
  }

  /** @throws ProviderUnavailable */
  async requireDescription(): Promise<void> {
    await this.tokenIssuer.describe();
  }

  protected async ask(form: Readonly<Record<string, string>>): Promise<GrantedTokens> {
    const provider = await this.tokenIssuer.describe();
    return requestTokens(provider, { client: await this.client(), form, deadlineMs: this.options.deadlineMs });
  }

  /** Read each time, so that an operator can change the secret at any time. */
  private async client(): Promise<ClientCredentials> {
    const { client_id: id, client_secret_path: path } = this.settings;
    const reading = await readOperatorFile(path);
    if (reading.state === 'file') return { id, secret: reading.text.trim() };
    throw new ProviderUnavailable(`client_secret_path of provider "${this.name}" ${reading.fault}`);
  }
}

/** RFC 6749 §4.1.3 and §6: the device brings a code that its owner got. */
class CodeGrantProvider extends OidcTokenProvider {
  exchange(code: string): Promise<GrantedTokens> {
    const { redirect_url: redirect, audience } = this.settings;
    return this.ask({
      grant_type: 'authorization_code',
      code,
      ...(redirect === undefined ? {} : { redirect_uri: redirect }),
      ...(audience === undefined ? {} : { audience }),
    });
  }

  refresh(refreshToken: string): Promise<GrantedTokens> {
    return this.ask({ grant_type: 'refresh_token', refresh_token: refreshToken });
  }
}

/**
 * RFC 6749 §4.4, without a person: the code is a token of the provider for owner and device, and so is the refresh token.
 * The gateway asks for a new one with the same claims, as long as the old one is valid.
 */
class ClientGrantProvider extends OidcTokenProvider {
  async exchange(code: string): Promise<GrantedTokens> {
    const { tokens } = this.options;
    const { scopes, audience } = this.settings;
    const claims = await this.verify(code);
    const names = ['sub', tokens.ownerClaim, ...(tokens.deviceIdClaim === undefined ? [] : [tokens.deviceIdClaim])];
    const kept = names.flatMap((name) => {
      const value = claims[name];
      return typeof value === 'string' ? [[name, value] as const] : [];
    });
    const granted = await this.ask({
      ...Object.fromEntries(kept),
      grant_type: 'client_credentials',
      ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
      ...(audience === undefined ? {} : { audience }),
    });
    return { accessToken: granted.accessToken, refreshToken: granted.accessToken };
  }

  refresh(refreshToken: string): Promise<GrantedTokens> {
    return this.exchange(refreshToken);
  }
}
