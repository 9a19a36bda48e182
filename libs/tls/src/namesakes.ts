import { type Certificate, nameKey } from '@sallyport/x509';

/**
 * Trusted CAs that share their name with one of another key. OpenSSL looks for the issuer of a leaf by name, and by key
 * identifier only where both certificates have one; many device certificates have none. It then tries one CA of that
 * name, and no other: the devices of the others fail with a bad signature, in the middle of the handshake. So these CAs
 * are kept from OpenSSL, and we judge by the key.
 */
export function namesakesAmong(certificates: readonly Certificate[]): ReadonlySet<Certificate> {
  const byName = new Map<string, Certificate[]>();
  for (const certificate of certificates) {
    const key = nameKey(certificate.subject);
    const others = byName.get(key);
    if (others === undefined) byName.set(key, [certificate]);
    else others.push(certificate);
  }
  return new Set([...byName.values()].filter(haveSeveralKeys).flat());
}

function haveSeveralKeys([first, ...others]: readonly Certificate[]): boolean {
  return first !== undefined && others.some(({ spki }) => !spki.equals(first.spki));
}
