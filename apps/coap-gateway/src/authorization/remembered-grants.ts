import { createHash } from 'node:crypto';
import { BoundedMap } from '@sallyport/concurrency';
import type { OcfUuid } from '@sallyport/protocol';
import type { Authorization, TokenSet } from './authorization.js';

// A device has one code, and one refresh token at a time.
const mostGrants = 8;

/**
 * Codes and refresh tokens that one connection has used. Devices send a sign-up or a refresh again when they miss the
 * answer, and a provider takes each code and most refresh tokens once. So the same request gets the same answer, failures
 * too; one that comes meanwhile waits for the first.
 */
export class RememberedGrants {
  private readonly grants = new BoundedMap<string, Promise<TokenSet>>(mostGrants);

  /** @param holder the device that its certificate names, if any */
  constructor(
    private readonly authorization: Authorization,
    private readonly holder?: OcfUuid,
  ) {}

  /** As `Authorization.exchange`. */
  exchange(provider: string, code: string): Promise<TokenSet> {
    return this.once(['exchange', provider, code], () => this.authorization.exchange(provider, code, this.holder));
  }

  /** As `Authorization.refresh`. */
  refresh(provider: string | undefined, refreshToken: string): Promise<TokenSet> {
    return this.once(['refresh', provider ?? '', refreshToken], () =>
      this.authorization.refresh(provider, refreshToken, this.holder),
    );
  }

  /** After a sign-in the device has its answer. */
  clear(): void {
    this.grants.clear();
  }

  private once(parts: readonly string[], ask: () => Promise<TokenSet>): Promise<TokenSet> {
    const key = createHash('sha256').update(JSON.stringify(parts)).digest('base64');
    const earlier = this.grants.get(key);
    if (earlier !== undefined) return earlier;
    const asking = ask();
    this.grants.set(key, asking);
    return asking;
  }
}
