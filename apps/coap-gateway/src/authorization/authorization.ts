import type { OcfUuid } from '@sallyport/protocol';

/** What an access token says, verified. */
export interface AccessToken {
  /** The value of the owner claim (`coap.authorization.owner_claim`). */
  readonly owner: string;
  /** The value of the device id claim as it is in the token; undefined without claim, or when none is configured. */
  readonly deviceIdClaim: unknown;
  /** The name of that claim, when the token is for one device whatever the settings say. */
  readonly deviceIdClaimName?: string;
  readonly issuer: string;
  /** Its id (`jti`, RFC 7519 §4.1.7), for logs. */
  readonly id?: string;
  /** Undefined: it never expires. */
  readonly expiresAt?: Date;
}

/** What a provider gives for a code or a refresh token (RFC 6749 §5.1). */
export interface TokenSet {
  readonly accessToken: string;
  readonly refreshToken: string;
  /** The access token, verified. */
  readonly access: AccessToken;
}

/**
 * The providers of access tokens.
 *
 * Each method throws CoapError: `4.01` for a definitive refusal (unknown provider, refused code, bad token), and `5.03`
 * with a text that begins with `temporary error:` when the provider cannot be asked. A device that gets 4.01 forgets its
 * credentials, so an outage is never 4.01.
 */
export abstract class Authorization {
  /** Verifies an access token: signature, issuer, audience, times, owner claim. */
  abstract verify(accessToken: string): Promise<AccessToken>;
  /**
   * Exchanges the authorization code of a sign-up.
   *
   * @param provider its name in the settings
   * @param holder the device of the certificate that was proved: what is for another one is not spent, if that can be told
   */
  abstract exchange(provider: string, code: string, holder?: OcfUuid): Promise<TokenSet>;
  /** @param provider undefined asks all providers; the first that accepts answers */
  abstract refresh(provider: string | undefined, refreshToken: string, holder?: OcfUuid): Promise<TokenSet>;
}
