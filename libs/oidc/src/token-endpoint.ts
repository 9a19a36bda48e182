import { z } from 'zod';
import { boundedRequest } from './bounded-request.js';
import type { ProviderDescription } from './discovery.js';
import { GrantRefused, ProviderUnavailable } from './outcomes.js';

const longestTokenCharacters = 16_384;
const token = z.string().min(1).max(longestTokenCharacters);
const granted = z.object({ access_token: token, refresh_token: token.optional() });
const refusal = z.object({ error: z.string().regex(/^[a-z_]{1,64}$/) });

/** RFC 6749 §5.2: what is wrong is the code or the token. All others say that this client is not set up right. */
const definitiveErrors: ReadonlySet<string> = new Set(['invalid_grant', 'invalid_request', 'access_denied']);

/** How we are known at a provider. */
export interface ClientCredentials {
  readonly id: string;
  readonly secret: string;
}

/** What a provider gave (RFC 6749 §5.1). */
export interface GrantedTokens {
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
}

export interface GrantRequest {
  readonly client: ClientCredentials;
  /** The parameters of the grant, `grant_type` among them. */
  readonly form: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
}

/**
 * Asks the token endpoint of a provider for tokens (RFC 6749 §3.2).
 *
 * @throws GrantRefused: it gives none for this code or refresh token, and never will
 * @throws ProviderUnavailable: it does not answer, or it does not know this client
 */
export async function requestTokens(provider: ProviderDescription, request: GrantRequest): Promise<GrantedTokens> {
  const { issuer, tokenEndpoint } = provider;
  if (tokenEndpoint === undefined) throw new ProviderUnavailable(`${issuer} has no token endpoint`);
  const { deadlineMs } = request;
  const answer = await boundedRequest(tokenEndpoint, { method: 'POST', deadlineMs, ...partsOf(provider, request) });
  const body = jsonIn(answer.text);
  if (answer.status === 200) {
    const tokens = granted.safeParse(body);
    if (!tokens.success) throw new ProviderUnavailable(`${issuer} answers without an access token`);
    return { accessToken: tokens.data.access_token, refreshToken: tokens.data.refresh_token };
  }
  const error = refusal.safeParse(body).data?.error;
  if (error !== undefined && definitiveErrors.has(error)) throw new GrantRefused(error);
  throw new ProviderUnavailable(`${issuer} answers ${answer.status}${error === undefined ? '' : ` (${error})`}`);
}

/** RFC 6749 §2.3.1: every server takes the header; those that say they do not get id and secret in the body. */
function partsOf({ takesBasic }: ProviderDescription, { client, form }: GrantRequest): RequestInit {
  const { id, secret } = client;
  const body = new URLSearchParams({ ...form, ...(takesBasic ? {} : { client_id: id, client_secret: secret }) });
  if (!takesBasic) return { body };
  const credentials = Buffer.from(`${formEncoded(id)}:${formEncoded(secret)}`).toString('base64');
  return { body, headers: { authorization: `Basic ${credentials}` } };
}

function formEncoded(text: string): string {
  return new URLSearchParams({ text }).toString().slice('text='.length);
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Of a proxy in between, say. The status tells the rest.
    return undefined;
  }
}
