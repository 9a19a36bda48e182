import { type AdminRole, actorName, adminRole, Problem } from '@sallyport/protocol';
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';

const deadlineMs = 5_000;
// How long an unknown key is not asked for again. Only a program with the certificate of an administrator can ask at all.
const cooldownMs = 1_000;
const discoveryLifetimeMs = 3_600_000;
const largestDocumentBytes = 65_536;

// RFC 8725 §3.1: only algorithms that are expected. None is symmetric, so no public key can be taken for a secret.
const algorithms = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'PS256', 'PS384', 'RS256', 'RS384'];

const discovery = z.object({ issuer: z.string(), jwks_uri: z.url({ protocol: /^https?$/ }) });
const claims = z.object({ sub: z.string(), preferred_username: z.string().optional().catch(undefined) });
const roleNames = z.union([z.string(), z.array(z.string()).max(1000)]);

export interface BearerTokenOptions {
  /** Exactly as in the claim `iss`. */
  readonly issuer: string;
  readonly audience: string;
  readonly roleClaim: string;
  readonly now: () => Date;
}

/** A person whom an OpenID Connect provider vouches for. */
export interface Person {
  readonly name: string;
  readonly role: AdminRole;
}

type KeySet = ReturnType<typeof createRemoteJWKSet>;

/**
 * Verifies tokens of an OpenID Connect provider (RFC 9068, RFC 8725). Its keys are fetched when they are needed, and again
 * when a token names a new one, so a provider may change its keys at any time.
 */
export class BearerTokens {
  private keys: { readonly set: KeySet; readonly until: number } | undefined;

  constructor(private readonly options: BearerTokenOptions) {}

  /**
   * @throws Problem `credentials-invalid`: the token is not valid, or gives no role
   * @throws Problem `unavailable`: the provider does not answer
   */
  async verify(token: string): Promise<Person> {
    const { issuer, audience, now } = this.options;
    const keys = await this.keySet();
    const requiredClaims = ['exp', 'sub'];
    const rules = { issuer, audience, algorithms, requiredClaims, clockTolerance: 5, currentDate: now() };
    const { payload } = await jwtVerify(token, keys, rules).catch((error: unknown) => {
      throw refusalFor(error);
    });
    return this.personIn(payload);
  }

  private personIn(payload: JWTPayload): Person {
    const { roleClaim } = this.options;
    const named = roleNames.safeParse(payload[roleClaim]).data ?? [];
    const role = adminRole.options.findLast((each) => [named].flat().includes(`sallyport-${each}`));
    const { sub, preferred_username: readable } = claims.parse(payload);
    // Only `sub` is sure to name one person for ever, so it is always there.
    const names = readable === undefined ? [sub] : [`${readable}/${sub}`, sub];
    const name = names.map((each) => actorName.safeParse(each).data).find((each) => each !== undefined);
    if (role === undefined)
      throw refused(`its claim "${roleClaim}" holds none of sallyport-viewer, sallyport-operator and sallyport-admin`);
    if (name === undefined) throw refused('it names nobody in a form that can stand in the audit log');
    return { name, role };
  }

  private async keySet(): Promise<KeySet> {
    const nowMs = performance.now();
    if (this.keys !== undefined && nowMs < this.keys.until) return this.keys.set;
    const { jwks_uri: address } = await discover(this.options.issuer);
    const set = createRemoteJWKSet(new URL(address), { timeoutDuration: deadlineMs, cooldownDuration: cooldownMs });
    this.keys = { set, until: nowMs + discoveryLifetimeMs };
    return set;
  }
}

/** OpenID Connect Discovery 1.0 §4. */
async function discover(issuer: string): Promise<z.output<typeof discovery>> {
  try {
    const signal = AbortSignal.timeout(deadlineMs);
    const place = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const response = await fetch(place, { signal, redirect: 'error' });
    if (!response.ok) throw new Error(`it answers ${response.status}`);
    const text = await response.text();
    if (text.length > largestDocumentBytes) throw new Error('its description is too long');
    const found = discovery.parse(JSON.parse(text));
    // §4.3: without this, another provider could vouch for the people of this one.
    if (found.issuer !== issuer) throw new Error('it describes another issuer');
    if (new URL(issuer).protocol === 'https:' && new URL(found.jwks_uri).protocol !== 'https:')
      throw new Error('its keys are not protected by TLS');
    return found;
  } catch (cause) {
    throw new Problem('unavailable', `The OpenID Connect provider ${issuer} cannot be asked for its keys. Try again.`, {
      cause,
    });
  }
}

function refusalFor(error: unknown): Problem {
  const isUnreachable = error instanceof errors.JWKSTimeout || !(error instanceof errors.JOSEError);
  if (isUnreachable)
    return new Problem('unavailable', 'The keys of the OpenID Connect provider cannot be read. Try again.', {
      cause: error,
    });
  return refused(error.code === 'ERR_JWT_EXPIRED' ? 'it has expired' : 'it is not valid here', error);
}

function refused(reason: string, cause?: unknown): Problem {
  return new Problem('credentials-invalid', `The token is refused: ${reason}.`, { cause });
}
