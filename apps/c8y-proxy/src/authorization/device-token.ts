import { z } from 'zod';
import { GatewayFault } from '../forwarding/gateway-fault.js';

/** How the device says who it is, as the value of the header field Authorization. Never log it. */
export interface Authorization {
  readonly value: string;
  /** How long it is valid from now, in milliseconds; undefined: until the cloud says 401. */
  readonly lifetimeMs: number | undefined;
}

// Cumulocity's are below 2 KiB. Servers take header fields of 8 KiB and more.
const longestToken = 8_192;

// RFC 7515 §3.1: three parts in base64url. The signature is for the cloud to check.
const compactForm = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/;

// RFC 7519 §4.1. A claim that is no date is left out: the cloud then says when the token has ended.
const date = z.number().finite().optional().catch(undefined);
const claims = z.object({ iat: date, exp: date });

/**
 * Reads the answer of the cloud to the question for a token: `71,<JWT>`.
 *
 * @param nowMs of this machine. Where the token says when it was issued, a wrong clock here does no harm.
 * @throws GatewayFault `token-invalid`; nothing of the answer is in its text
 */
export function authorizationIn(payload: Buffer, nowMs: number): Authorization {
  const text = payload.length > longestToken ? '' : payload.toString('latin1').trimEnd();
  if (!text.startsWith('71,')) throw invalid('does not begin with "71," or is too long');
  const token = text.slice('71,'.length);
  const [, header, body] = compactForm.exec(token) ?? [];
  const contents = header === undefined || objectIn(header) === undefined ? undefined : objectIn(body ?? '');
  if (contents === undefined) throw invalid('is no JSON Web Token (RFC 7519)');
  return { value: `Bearer ${token}`, lifetimeMs: lifetimeOf(contents, nowMs) };
}

function objectIn(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return z.record(z.string(), z.unknown()).safeParse(JSON.parse(Buffer.from(part, 'base64url').toString())).data;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function lifetimeOf(contents: Readonly<Record<string, unknown>>, nowMs: number): number | undefined {
  const { iat, exp } = claims.parse(contents);
  if (exp === undefined) return undefined;
  const lifetimeMs = exp * 1_000 - (iat === undefined ? nowMs : iat * 1_000);
  // The clock of this machine is far ahead: the cloud knows better.
  return lifetimeMs > 0 ? lifetimeMs : undefined;
}

function invalid(what: string): GatewayFault {
  return new GatewayFault(
    'token-invalid',
    `The cloud was asked for the token of this device, and its answer ${what}. Look at the device and its permissions in the tenant.`,
  );
}
