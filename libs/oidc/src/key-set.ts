import { TokenBucket } from '@sallyport/concurrency';
import {
  base64url,
  createLocalJWKSet,
  errors,
  type FlattenedJWSInput,
  type JSONWebKeySet,
  type JWSHeaderParameters,
} from 'jose';
import { z } from 'zod';
import { ProviderUnavailable } from './outcomes.js';
import { Remembered } from './remembered.js';

const freshMs = 600_000;
// A provider that is down must not disconnect a fleet whose tokens are still good.
const staleMs = 3_600_000;
// Tokens with unknown keys cost their sender nothing, and each fetch costs the provider something.
const refetches = { burst: 1, perSecond: 1 / 30 };
// The clocks of provider and gateway may differ by so much.
const skewMs = 60_000;

const issuedAt = z.object({ iat: z.number() });

export interface KeySetOptions {
  readonly fetchKeys: () => Promise<JSONWebKeySet>;
  readonly now: () => Date;
  /** Milliseconds of a clock that is never set. */
  readonly nowMs: () => number;
}

type FoundKeys = ReturnType<typeof createLocalJWKSet>;

interface FetchedKeys {
  readonly find: FoundKeys;
  readonly at: Date;
}

/** The keys of a provider (RFC 7517 §5). When a token names a new one they are fetched again, at most once in 30 s. */
export class KeySet {
  private readonly keys: Remembered<FetchedKeys>;
  private readonly refetches: TokenBucket;

  constructor(private readonly options: KeySetOptions) {
    const { fetchKeys, now, nowMs } = options;
    const fetchAll = async () => ({ find: createLocalJWKSet(await fetchKeys()), at: now() });
    this.keys = new Remembered(fetchAll, { freshMs, staleMs, nowMs });
    this.refetches = new TokenBucket(refetches, nowMs());
  }

  /**
   * The key that a token names.
   *
   * @throws JOSEError: there is no such key
   * @throws ProviderUnavailable: there may be one, and it cannot be fetched now
   */
  async find(header: JWSHeaderParameters, token: FlattenedJWSInput): ReturnType<FoundKeys> {
    const known = await this.keys.get();
    try {
      return await known.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      if (this.keys.isFetching || this.refetches.take(this.options.nowMs()))
        return (await this.keys.fetchAgain()).find(header, token);
      // A key that is newer than what we have may have signed it. Its device must not forget its credentials for that.
      if (isIssuedAfter(token, known.at)) throw new ProviderUnavailable('its keys were fetched a moment ago');
      throw error;
    }
  }
}

/** By what the token says of itself, which nobody has verified: it decides only which refusal its sender gets. */
function isIssuedAfter({ payload }: FlattenedJWSInput, fetched: Date): boolean {
  try {
    const text = typeof payload === 'string' ? Buffer.from(base64url.decode(payload)).toString() : '';
    const claims = issuedAt.safeParse(JSON.parse(text));
    return claims.success && claims.data.iat * 1000 > fetched.getTime() - skewMs;
  } catch {
    // Neither JSON nor base64url: not a token of a provider.
    return false;
  }
}
