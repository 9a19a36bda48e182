import { CoapError } from '@sallyport/coap-wire';
import { type GrantedTokens, GrantRefused, ProviderUnavailable, TokenRefused, withoutLastSlash } from '@sallyport/oidc';
import { deviceOwner, type OcfUuid } from '@sallyport/protocol';
import { decodeJwt } from 'jose';
import { type AccessToken, Authorization, type TokenSet } from './authorization.js';
import type { TokenSettings } from './authorization-settings.js';
import type { TokenClaims, TokenProvider } from './token-provider.js';

export interface ProviderAuthorizationOptions {
  readonly tokens: TokenSettings;
  readonly providers: readonly TokenProvider[];
  /** Hears why a provider could not be asked. No device is told. */
  readonly onUnavailable: (fault: ProviderUnavailable) => void;
}

/** Asks the providers of the site, and says what they answer in the words of CoAP. */
export class ProviderAuthorization extends Authorization {
  constructor(private readonly options: ProviderAuthorizationOptions) {
    super();
  }

  async verify(accessToken: string): Promise<AccessToken> {
    const provider = this.providerOf(accessToken);
    const claims = await this.asking(provider, () => provider.verify(accessToken));
    return this.accessIn(claims, provider);
  }

  async exchange(provider: string, code: string, holder?: OcfUuid): Promise<TokenSet> {
    const asked = this.named(provider);
    return this.tokenSet(await this.asking(asked, () => asked.exchange(code, holder)));
  }

  async refresh(provider: string | undefined, refreshToken: string, holder?: OcfUuid): Promise<TokenSet> {
    if (provider === undefined) return this.refreshAnywhere(refreshToken, holder);
    const asked = this.named(provider);
    return this.tokenSet(await this.asking(asked, () => asked.refresh(refreshToken, holder)));
  }

  /** When one of them could not be asked, it might have accepted: no refusal of the others is definitive then. */
  private async refreshAnywhere(refreshToken: string, holder: OcfUuid | undefined): Promise<TokenSet> {
    const candidates = this.candidatesFor(refreshToken);
    const asking = candidates.map((each) => this.asking(each, () => each.refresh(refreshToken, holder)));
    try {
      return await this.tokenSet(await Promise.any(asking));
    } catch (error) {
      if (!(error instanceof AggregateError)) throw error;
      const faults: unknown[] = error.errors;
      throw faults.find((fault) => !(fault instanceof CoapError) || fault.code === '5.03') ?? faults[0] ?? refused();
    }
  }

  /** Nobody but its own provider is shown a refresh token, where that can be told. */
  private candidatesFor(refreshToken: string): readonly TokenProvider[] {
    const { providers } = this.options;
    const own = providers.filter((each) => each.isOwnRefreshToken?.(refreshToken));
    return own.length > 0 ? own : providers.filter((each) => each.isOwnRefreshToken === undefined);
  }

  private async tokenSet({ accessToken, refreshToken }: GrantedTokens): Promise<TokenSet> {
    if (refreshToken === undefined) throw new CoapError('4.01', 'authorization provider gave no refresh token');
    return { accessToken, refreshToken, access: await this.verify(accessToken) };
  }

  private accessIn(claims: TokenClaims, { issuer, deviceIdClaim: ownClaim }: TokenProvider): AccessToken {
    const { ownerClaim, deviceIdClaim: settingsClaim } = this.options.tokens;
    const deviceIdClaim = ownClaim ?? settingsClaim;
    const { exp, jti } = claims;
    return {
      owner: ownerIn(claims[ownerClaim], ownerClaim),
      deviceIdClaim: deviceIdClaim === undefined ? undefined : claims[deviceIdClaim],
      ...(ownClaim === undefined ? {} : { deviceIdClaimName: ownClaim }),
      issuer,
      ...(typeof jti === 'string' ? { id: jti } : {}),
      ...(typeof exp === 'number' ? { expiresAt: new Date(exp * 1000) } : {}),
    };
  }

  private named(name: string): TokenProvider {
    const provider = this.options.providers.find((each) => each.name === name);
    if (provider === undefined) throw new CoapError('4.01', 'unknown authorization provider');
    return provider;
  }

  /** By what the token says of itself. The provider verifies it then. */
  private providerOf(accessToken: string): TokenProvider {
    const issuer = issuerIn(accessToken);
    const provider = this.options.providers.find((each) => each.issuer === issuer);
    if (provider === undefined) throw refused('it is of an unknown issuer');
    return provider;
  }

  private async asking<Answer>({ name }: TokenProvider, ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask();
    } catch (error) {
      if (error instanceof TokenRefused) throw refused(error.message, error);
      if (error instanceof GrantRefused)
        throw new CoapError('4.01', `authorization provider '${name}' refuses: ${error.error}`, { cause: error });
      if (!(error instanceof ProviderUnavailable)) throw error;
      this.options.onUnavailable(error);
      const reason = `temporary error: ServiceUnavailable: authorization provider '${name}' cannot be asked`;
      throw new CoapError('5.03', reason, { cause: error });
    }
  }
}

function issuerIn(accessToken: string): string | undefined {
  try {
    const { iss } = decodeJwt(accessToken);
    return iss === undefined ? undefined : withoutLastSlash(iss);
  } catch (cause) {
    throw new CoapError('4.01', 'cannot parse access token', { cause });
  }
}

function ownerIn(value: unknown, claim: string): string {
  if (value === undefined || value === '') throw new CoapError('4.01', 'cannot determine owner');
  const owner = deviceOwner.safeParse(value);
  if (!owner.success) throw new CoapError('4.01', `access token has an invalid type of the owner claim('${claim}')`);
  return owner.data;
}

function refused(reason = 'it is not valid here', cause?: unknown): CoapError {
  return new CoapError('4.01', `access token is refused: ${reason}`, { cause });
}
