/** The token is not valid, and will never be. Its text may be shown to the one who sent it. */
export class TokenRefused extends Error {
  constructor(
    readonly reason: 'expired' | 'not valid here',
    options?: ErrorOptions,
  ) {
    super(reason === 'expired' ? 'it has expired' : 'it is not valid here', options);
  }
}

/** The provider gives no token for this code or refresh token, and never will (RFC 6749 §5.2). */
export class GrantRefused extends Error {
  /** @param error as in the answer of the provider: `invalid_grant` */
  constructor(readonly error: string) {
    super(`the provider answers ${error}`);
  }
}

/** The provider cannot be asked now, or does not know us. Its text is for the operator; it holds no token and no secret. */
export class ProviderUnavailable extends Error {}
