import type { GrantedTokens } from '@sallyport/oidc';
import type { OcfUuid } from '@sallyport/protocol';

/** Claims of a verified access token, of any type. */
export type TokenClaims = Readonly<Record<string, unknown>>;

/**
 * Somebody who gives access tokens to devices. Each method throws what `@sallyport/oidc` defines: TokenRefused,
 * GrantRefused, ProviderUnavailable.
 */
export interface TokenProvider {
  /** What devices send as `authprovider`. */
  readonly name: string;
  /** As in the claim `iss`, without a slash at its end. */
  readonly issuer: string;
  /** The claim with the id of the device, in each of its tokens. Absent: the one that the settings name, if any. */
  readonly deviceIdClaim?: string;
  verify(accessToken: string): Promise<TokenClaims>;
  /** @param holder as in `Authorization`; a provider that knows no devices ignores it */
  exchange(code: string, holder?: OcfUuid): Promise<GrantedTokens>;
  refresh(refreshToken: string, holder?: OcfUuid): Promise<GrantedTokens>;
  /** Whether a refresh token has the form of its own. Absent: nobody can tell. */
  isOwnRefreshToken?(refreshToken: string): boolean;
}
