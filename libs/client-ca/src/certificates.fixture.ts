import type { Pasted } from '@sallyport/protocol';
import type { CertificateOptions, TestCa } from '@sallyport/testkit';
import { type Certificate, certificatesFromPem } from '@sallyport/x509';

/** A fixed time of the tests; certificates are made to fit it. */
export const now = new Date('2026-06-01T12:00:00Z');

/** Begin and end that fit `now`. */
export const validNow = { notBefore: new Date('2026-05-01T00:00:00Z'), notAfter: new Date('2027-05-01T00:00:00Z') };

/** The first certificate of a PEM text. */
export function certificateIn(pem: string): Certificate {
  const [certificate] = certificatesFromPem(pem);
  if (certificate === undefined) throw new Error('there is no certificate in it');
  return certificate;
}

/** The certificate of a device. */
export async function leafOf(ca: TestCa, options: CertificateOptions): Promise<Certificate> {
  return certificateIn((await ca.issue({ ...validNow, ...options })).certPem);
}

export function text(value: string): Pasted {
  return { text: value };
}
