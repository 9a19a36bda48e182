import { type Certificate, hasBegun } from '@sallyport/x509';

type Validity = Pick<Certificate, 'notBefore' | 'notAfter'>;

/** A certificate is renewed after this part of its life. That is early enough for many tries. */
const renewalShare = 2 / 3;

/** The first tries of many devices are spread over this part of the remaining life after the due time. */
export const spreadShare = 1 / 4;

/** What renews itself has tried for a while by then. */
const lateShare = 1 / 2;

/** The moment at which two thirds of the life are over. */
export function renewalDueAt({ notBefore, notAfter }: Validity): Date {
  const lifeMs = notAfter.getTime() - notBefore.getTime();
  return new Date(notBefore.getTime() + lifeMs * renewalShare);
}

/**
 * Whether to renew a certificate now. True for a certificate that is not valid yet: the clock was ahead when it was
 * issued, or is behind now.
 *
 * @param minimumSeconds renew if not more of its life is left; by default, after two thirds of its life
 */
export function needsRenewal(certificate: Validity, now: Date, minimumSeconds?: number): boolean {
  if (!hasBegun(certificate, now)) return true;
  if (minimumSeconds === undefined) return now >= renewalDueAt(certificate);
  return certificate.notAfter.getTime() - now.getTime() <= minimumSeconds * 1000;
}

/**
 * Whether a certificate that renews itself should have been renewed by now. Later than `needsRenewal`, because first
 * tries are spread, and some fail.
 */
export function isRenewalLate(certificate: Validity, now: Date): boolean {
  if (!hasBegun(certificate, now)) return true;
  const due = renewalDueAt(certificate).getTime();
  return now.getTime() >= due + (certificate.notAfter.getTime() - due) * lateShare;
}
