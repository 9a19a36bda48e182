import { createHash, randomBytes } from 'node:crypto';
import { deviceOwner, ocfUuid } from '@sallyport/protocol';
import { z } from 'zod';

/** 120 bits: nobody finds one by trying. */
const secretBytes = 15;

/** SHA-256 in base64url. A secret of 120 random bits needs no slow digest. */
const digest = z.string().length(43);

/** A code that no device has used yet. */
export const codeRecord = z.strictObject({
  device: ocfUuid,
  owner: deviceOwner,
  expiresAt: z.iso.datetime(),
});
export type CodeRecord = z.infer<typeof codeRecord>;

/** What a device may get new tokens with. A device has one grant: that of its last code. */
export const grantRecord = z.strictObject({
  id: z.uuid(),
  owner: deviceOwner,
  /** Of the refresh token that the device got last. */
  current: digest,
  /** Of the one before: the device may have missed the answer with the last. */
  previous: digest.exactOptional(),
  /** Older ones. Who shows one of them has it from somebody else. */
  used: z.array(digest).max(8),
});
export type GrantRecord = z.infer<typeof grantRecord>;

export const codePrefix = 'site-codes/';
export const grantPrefix = 'site-grants/';

/** A new code, or the secret of a refresh token: 20 letters and digits, `-` and `_`. */
export function newSecret(): string {
  return randomBytes(secretBytes).toString('base64url');
}

export function digestOf(secret: string): string {
  return createHash('sha256').update(secret).digest('base64url');
}
