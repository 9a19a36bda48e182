import { createHmac, timingSafeEqual } from 'node:crypto';
import { deviceId, fingerprint, hostName, leafProfile } from '@sallyport/protocol';
import { z } from 'zod';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A one-time token as it is stored, under the name it is for. The secret itself is nowhere. */
export const tokenRecord = z.strictObject({
  deviceId,
  profile: leafProfile,
  reinstate: z.boolean(),
  subjectAltNames: z.array(hostName),
  /** HMAC-SHA-256 of name and secret under the signer's pepper. */
  secretDigest: sha256,
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
  failedTries: z.number().int().min(0),
  /** The request that spent it. */
  use: z.strictObject({ csrDigest: sha256, fingerprint, usedAt: z.iso.datetime() }).exactOptional(),
});
export type TokenRecord = z.infer<typeof tokenRecord>;

/** After this many wrong secrets a token is worthless, whatever comes next. */
export const mostFailedTries = 5;

/** State of a token at a moment. */
export function tokenStateAt({ use, failedTries, expiresAt }: TokenRecord, now: Date) {
  if (use !== undefined) return 'used' as const;
  if (failedTries >= mostFailedTries) return 'locked' as const;
  return new Date(expiresAt) <= now ? ('expired' as const) : ('open' as const);
}

/** What is stored in place of a secret. Bound to the name, so that a digest cannot be moved to another. */
export function secretDigestOf(pepper: Buffer, name: string, secret: string): string {
  // NUL stands in no name and no secret, so no two pairs give the same text.
  return createHmac('sha256', pepper).update(`${name}\0${secret}`).digest('hex');
}

/** Compares digests in constant time. */
export function isSameDigest(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'));
}
