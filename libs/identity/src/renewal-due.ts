import type { Certificate } from '@sallyport/x509';

/** Part of its life after which a certificate is renewed: early enough for many tries. */
const renewalShare = 2 / 3;

/** When a certificate reaches two thirds of its life. */
export function renewalDueAt({ notBefore, notAfter }: Pick<Certificate, 'notBefore' | 'notAfter'>): Date {
  const lifeMs = notAfter.getTime() - notBefore.getTime();
  return new Date(notBefore.getTime() + lifeMs * renewalShare);
}

/**
 * Whether a certificate ought to be renewed now. One that is not valid yet does not.
 *
 * @param minimumSeconds renew when this much of its life or less is left; from two thirds of its life on when absent
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
