import { ProviderUnavailable, TokenIssuer, TokenRefused } from '@sallyport/oidc';
import { type AdminRole, actorName, adminRole, Problem } from '@sallyport/protocol';
import { z } from 'zod';

const deadlineMs = 5_000;

const claims = z.looseObject({ sub: z.string(), preferred_username: z.string().optional().catch(undefined) });
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

/** Verifies tokens that an OpenID Connect provider gave to people, and what they may do here. */
export class BearerTokens {
  private readonly provider: TokenIssuer;

  constructor(private readonly options: BearerTokenOptions) {
    const { issuer, now } = options;
    this.provider = new TokenIssuer({ issuer, now, deadlineMs });
  }

  /**
   * @throws Problem `credentials-invalid`: the token is not valid, or gives no role
   * @throws Problem `unavailable`: the provider does not answer
   */
  async verify(token: string): Promise<Person> {
    const { audience, issuer } = this.options;
    const payload = await this.provider
      .verify(token, { audience, requiredClaims: ['exp', 'sub'] })
      .catch((error: unknown) => {
        throw problemFor(error, issuer);
      });
    return this.personIn(payload);
  }

  private personIn(payload: object): Person {
    const { roleClaim } = this.options;
    const { sub, preferred_username: readable, [roleClaim]: roles } = claims.parse(payload);
    const named = roleNames.safeParse(roles).data ?? [];
    const role = adminRole.options.findLast((each) => [named].flat().includes(`sallyport-${each}`));
    // Only `sub` is sure to name one person for ever, so it is always there.
    const names = readable === undefined ? [sub] : [`${readable}/${sub}`, sub];
    const name = names.map((each) => actorName.safeParse(each).data).find((each) => each !== undefined);
    if (role === undefined)
      throw refused(`its claim "${roleClaim}" holds none of sallyport-viewer, sallyport-operator and sallyport-admin`);
    if (name === undefined) throw refused('it names nobody in a form that can stand in the audit log');
    return { name, role };
  }
}

function problemFor(error: unknown, issuer: string): unknown {
  if (error instanceof TokenRefused) return refused(error.message, error);
  if (!(error instanceof ProviderUnavailable)) return error;
  const reason = `The OpenID Connect provider ${issuer} cannot be asked for its keys. Try again.`;
  return new Problem('unavailable', reason, { cause: error });
}

function refused(reason: string, cause?: unknown): Problem {
  return new Problem('credentials-invalid', `The token is refused: ${reason}.`, { cause });
}
