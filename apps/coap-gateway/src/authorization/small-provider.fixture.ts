import { CoapError } from '@sallyport/coap-wire';
import { type AccessToken, Authorization, type TokenSet } from './authorization.js';

/** A provider in miniature: it knows the tokens and the codes that the test gives it. */
export class SmallProvider extends Authorization {
  readonly tokens = new Map<string, AccessToken>();
  /** By the code, or the refresh token; each is good for once. */
  readonly sets = new Map<string, TokenSet>();
  exchanges = 0;
  /** While it is set, the provider does not answer. */
  isDown = false;

  /** Makes a token of an owner good, and returns it. */
  issue(token: string, access: Partial<AccessToken> = {}): string {
    this.tokens.set(token, { owner: '1', deviceIdClaim: undefined, issuer: 'https://provider.example', ...access });
    return token;
  }

  /** Makes a code, or a refresh token, good for one token set. */
  offer(code: string, accessToken: string, refreshToken = `refresh of ${accessToken}`): string {
    const access = this.tokens.get(accessToken);
    if (access === undefined) throw new Error(`issue "${accessToken}" first`);
    this.sets.set(code, { accessToken, refreshToken, access });
    return code;
  }

  override async verify(accessToken: string): Promise<AccessToken> {
    const access = this.tokens.get(accessToken);
    if (access === undefined) throw new CoapError('4.01', 'invalid access token');
    return access;
  }

  override async exchange(provider: string, code: string): Promise<TokenSet> {
    if (provider !== 'plgd') throw new CoapError('4.01', 'unknown authorization provider');
    return this.take(code);
  }

  override refresh(_provider: string | undefined, refreshToken: string): Promise<TokenSet> {
    return this.take(refreshToken);
  }

  private async take(code: string): Promise<TokenSet> {
    if (this.isDown) throw new CoapError('5.03', 'temporary error: the provider does not answer');
    this.exchanges += 1;
    const set = this.sets.get(code);
    this.sets.delete(code);
    if (set === undefined) throw new CoapError('4.01', 'the provider refuses the code');
    return set;
  }
}
