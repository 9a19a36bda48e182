import type { GrantedTokens } from '@sallyport/oidc';

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
  exchange(code: string): Promise<GrantedTokens>;
  refresh(refreshToken: string): Promise<GrantedTokens>;
  /** Whether a refresh token has the form of its own. Absent: nobody can tell. */
  isOwnRefreshToken?(refreshToken: string): boolean;
}
