import { errors, type JSONWebKeySet, type JWTPayload, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import { boundedRequest } from './bounded-request.js';
import { discover, type ProviderDescription } from './discovery.js';
import { KeySet } from './key-set.js';
import { ProviderUnavailable, TokenRefused } from './outcomes.js';
import { Remembered } from './remembered.js';

const descriptionFreshMs = 3_600_000;
const descriptionStaleMs = 24 * 3_600_000;
const clockToleranceSeconds = 5;
const mostKeys = 100;

// RFC 8725 §3.1: only algorithms that are expected. None is symmetric, so no public key can be taken for a secret.
const algorithms = [
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
  ...['PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'],
];

const keys = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(mostKeys) });

export interface TokenIssuerOptions {
  /** Address of the provider. */
  readonly issuer: string;
  readonly now: () => Date;
  /** For each request to the provider. */
  readonly deadlineMs: number;
  /** Milliseconds of a clock that is never set; default: that of the process. */
  readonly nowMs?: () => number;
}

export interface TokenRules {
  /** What `aud` must hold; undefined: it is not looked at. */
  readonly audience: string | undefined;
  readonly requiredClaims: readonly string[];
  /** Refuses a token that says it was issued later than now. */
  readonly refusesFuture?: true;
}

/**
 * An OpenID Connect provider, as one that verifies its tokens sees it (RFC 9068, RFC 8725). What it says of itself and its
 * keys are fetched when they are needed, and kept for a while when it is down.
 */
export class TokenIssuer {
  private readonly description: Remembered<ProviderDescription>;
  private readonly keys: KeySet;
  private readonly findKey: JWTVerifyGetKey = (header, token) => this.keys.find(header, token);

  constructor(private readonly options: TokenIssuerOptions) {
    const { issuer, now, deadlineMs, nowMs = () => performance.now() } = options;
    const times = { freshMs: descriptionFreshMs, staleMs: descriptionStaleMs, nowMs };
    this.description = new Remembered(() => discover(issuer, deadlineMs), times);
    this.keys = new KeySet({ fetchKeys: () => this.fetchKeys(), now, nowMs });
  }

  /** @throws ProviderUnavailable */
  describe(): Promise<ProviderDescription> {
    return this.description.get();
  }

  /**
   * Verifies signature, issuer, audience and times of a token.
   *
   * @returns its claims
   * @throws TokenRefused: it is not valid, and will never be
   * @throws ProviderUnavailable: the provider cannot be asked for its keys
   */
  async verify(token: string, { audience, requiredClaims, refusesFuture }: TokenRules): Promise<JWTPayload> {
    const { issuer } = await this.describe();
    const currentDate = this.options.now();
    const rules = {
      issuer,
      algorithms,
      requiredClaims: [...requiredClaims],
      clockTolerance: clockToleranceSeconds,
      currentDate,
      ...(audience === undefined ? {} : { audience }),
    };
    try {
      const { payload } = await jwtVerify(token, this.findKey, rules);
      if (refusesFuture === true && isFromTheFuture(payload, currentDate)) throw new TokenRefused('not valid here');
      return payload;
    } catch (error) {
      throw outcomeOf(error);
    }
  }

  private async fetchKeys(): Promise<JSONWebKeySet> {
    const { keysAddress } = await this.describe();
    const { status, text } = await boundedRequest(keysAddress, { deadlineMs: this.options.deadlineMs });
    if (status !== 200) throw new ProviderUnavailable(`${keysAddress} answers ${status}`);
    try {
      return keys.parse(JSON.parse(text));
    } catch (cause) {
      throw new ProviderUnavailable(`${keysAddress} is not a set of keys`, { cause });
    }
  }
}

function isFromTheFuture({ iat }: JWTPayload, now: Date): boolean {
  return iat !== undefined && iat > now.getTime() / 1000 + clockToleranceSeconds;
}

function outcomeOf(error: unknown): Error {
  if (error instanceof TokenRefused || error instanceof ProviderUnavailable) return error;
  if (error instanceof errors.JWTExpired) return new TokenRefused('expired', { cause: error });
  // Every other fault is one of the token: of its form, its key, its signature or its claims.
  return new TokenRefused('not valid here', { cause: error });
}
