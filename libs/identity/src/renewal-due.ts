import type { Certificate } from '@sallyport/x509';

/** A certificate is renewed after this part of its life. That is early enough for many tries. */
const renewalShare = 2 / 3;

/** The moment at which two thirds of the life are over. */
export function renewalDueAt({ notBefore, notAfter }: Pick<Certificate, 'notBefore' | 'notAfter'>): Date {
  const lifeMs = notAfter.getTime() - notBefore.getTime();
  return new Date(notBefore.getTime() + lifeMs * renewalShare);
}

/**
 * Whether to renew a certificate now. False for a certificate that is not valid yet.
 *
 * @param minimumSeconds renew if not more of its life is left; by default, after two thirds of its life
 */
export function needsRenewal(
  certificate: Pick<Certificate, 'notBefore' | 'notAfter'>,
  now: Date,
  minimumSeconds?: number,
): boolean {
  if (now < certificate.notBefore) return false;
  if (minimumSeconds === undefined) return now >= renewalDueAt(certificate);
  return certificate.notAfter.getTime() - now.getTime() <= minimumSeconds * 1000;
}
