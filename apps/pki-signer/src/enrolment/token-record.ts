import { createHmac, timingSafeEqual } from 'node:crypto';
import { deviceId, fingerprint, hostName, leafProfile } from '@sallyport/protocol';
import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A one-time token as it is stored, under the name it is for. The secret itself is stored nowhere. */
export const tokenRecord = z.strictObject({
  deviceId,
  profile: leafProfile,
  reinstate: z.boolean(),
  subjectAltNames: z.array(hostName),
  /** HMAC-SHA-256 of name and secret under the signer's pepper. */
  secretDigest: sha256,
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  /** Written by older versions, which locked a token after five wrong tries. Not used any more. */
  failedTries: z.number().int().min(0),
  /** The CSR that used it. */
  use: z.strictObject({ csrDigest: sha256, fingerprint, usedAt: z.iso.datetime() }).exactOptional(),
});
export type TokenRecord = z.infer<typeof tokenRecord>;

/**
 * Number of wrong secrets for one name, whether it has a token or not. The token stays usable: 120 bits cannot be
 * guessed.
 */
export const failureRecord = z.strictObject({ failedTries: z.number().int().positive() });

/** After this many wrong secrets for a name, the audit log gets a row. */
export const notableFailedTries = 5;

/** State of a token at a moment. */
export function tokenStateAt({ use, expiresAt }: TokenRecord, now: Date) {
  if (use !== undefined) return 'used' as const;
  return new Date(expiresAt) <= now ? ('expired' as const) : ('open' as const);
}

/** Stored instead of the secret. It depends on the name too, so a digest cannot be moved to another name. */
export function secretDigestOf(pepper: Buffer, name: string, secret: string): string {
  // No name and no secret contains NUL, so two different pairs never give the same text.
  return createHmac('sha256', pepper).update(`${name}\0${secret}`).digest('hex');
}

/** Compares digests in constant time. */
export function isSameDigest(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'));
}
