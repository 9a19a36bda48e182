import { z } from 'zod';
import { boundedRequest } from './bounded-request.js';
import { ProviderUnavailable } from './outcomes.js';

const endpoint = z.url({ protocol: /^https?$/ });
const description = z.object({
  issuer: z.string(),
  jwks_uri: endpoint,
  token_endpoint: endpoint.optional(),
  token_endpoint_auth_methods_supported: z.array(z.string()).optional(),
});

/** What a provider says of itself. */
export interface ProviderDescription {
  /** Exactly as in the claim `iss` of its tokens. */
  readonly issuer: string;
  readonly keysAddress: string;
  readonly tokenEndpoint: string | undefined;
  /** How a client proves itself at the token endpoint (RFC 6749 §2.3.1): in the header, or else in the body. */
  readonly takesBasic: boolean;
}

/**
 * Asks a provider for its description (OpenID Connect Discovery 1.0 §4).
 *
 * @param issuer its address, with or without a slash at the end
 * @throws ProviderUnavailable
 */
export async function discover(issuer: string, deadlineMs: number): Promise<ProviderDescription> {
  const { status, text } = await boundedRequest(`${withoutLastSlash(issuer)}/.well-known/openid-configuration`, {
    deadlineMs,
  });
  if (status !== 200) throw new ProviderUnavailable(`${issuer} answers ${status} when it is asked for its description`);
  const found = descriptionIn(text, issuer);
  // §4.3: without this, another provider could vouch for the people of this one.
  if (withoutLastSlash(found.issuer) !== withoutLastSlash(issuer))
    throw new ProviderUnavailable(`${issuer} describes another issuer`);
  for (const address of [found.jwks_uri, found.token_endpoint ?? found.jwks_uri])
    if (isProtected(issuer) && !isProtected(address))
      throw new ProviderUnavailable(`${issuer} names ${new URL(address).origin}, which TLS does not protect`);
  return {
    issuer: found.issuer,
    keysAddress: found.jwks_uri,
    tokenEndpoint: found.token_endpoint,
    // OpenID Connect Discovery 1.0 §3: client_secret_basic when it is left out.
    takesBasic: found.token_endpoint_auth_methods_supported?.includes('client_secret_basic') ?? true,
  };
}

function descriptionIn(text: string, issuer: string): z.output<typeof description> {
  try {
    return description.parse(JSON.parse(text));
  } catch (cause) {
    throw new ProviderUnavailable(`${issuer} describes itself in a form that is not valid`, { cause });
  }
}

function isProtected(address: string): boolean {
  return new URL(address).protocol === 'https:';
}

/** An address without the slashes that some providers have at its end. */
export function withoutLastSlash(issuer: string): string {
  return issuer.replace(/\/+$/, '');
}
