import { type Fingerprint, fingerprint } from './ids.js';
import { Problem } from './problems.js';

/** Crockford's base 32: no I, L, O or U, so a token can be read aloud. */
export const enrolmentSecretAlphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** 24 letters of 5 bits: 120 bits. */
export const enrolmentSecretLength = 24;

const secretPattern = new RegExp(`^[${enrolmentSecretAlphabet}]{${enrolmentSecretLength}}$`);

/** What a one-time token holds: the secret, and the CA the child may trust on first contact. */
export interface EnrolmentToken {
  readonly secret: string;
  /** SHA-256 of the root certificate's DER. */
  readonly caFingerprint: Fingerprint;
}

/** `SECRET.FINGERPRINT`, the fingerprint in unpadded base64url: 24 + 1 + 43 characters. */
export function formatEnrolmentToken({ secret, caFingerprint }: EnrolmentToken): string {
  return `${secret}.${Buffer.from(caFingerprint, 'hex').toString('base64url')}`;
}

/**
 * Reads a token back. Never puts the token into the error.
 *
 * @throws Problem `invalid-request`: not a token this system makes.
 */
export function parseEnrolmentToken(text: string): EnrolmentToken {
  const [secret = '', encoded = '', ...rest] = text.trim().split('.');
  const caFingerprint = fingerprint.safeParse(Buffer.from(encoded, 'base64url').toString('hex'));
  if (rest.length > 0 || !secretPattern.test(secret) || !caFingerprint.success)
    throw new Problem(
      'invalid-request',
      'The one-time token is not complete: it is 68 characters, a secret and a CA fingerprint joined by ".". Copy it again from "sallyport device enroll-token".',
    );
  return { secret, caFingerprint: caFingerprint.data };
}

/** The part a signer checks: the whole token and the bare secret are both accepted as a password. */
export function enrolmentSecretOf(password: string): string {
  return password.split('.', 1)[0] ?? '';
}
