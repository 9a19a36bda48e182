/** One `-----BEGIN label-----` ... `-----END label-----` section (RFC 7468), markers included; nobody has read it yet. */
export interface PemPart {
  readonly label: string;
  readonly text: string;
}

const begin = /-----BEGIN ([A-Z0-9 ]{1,40})-----/g;

/**
 * Cuts a text into its PEM blocks, in order, and never fails. Text between them is skipped, as OpenSSL does; a block
 * without its end marker ends the search. Contents are not looked at. Linear in the length of the text.
 */
export function pemParts(text: string): PemPart[] {
  const parts: PemPart[] = [];
  let from = 0;
  for (const match of text.matchAll(begin)) {
    if (match.index < from) continue;
    const [, label = ''] = match;
    const end = `-----END ${label}-----`;
    const endsAt = text.indexOf(end, match.index);
    if (endsAt < 0) return parts;
    from = endsAt + end.length;
    parts.push({ label, text: `${text.slice(match.index, from)}\n` });
  }
  return parts;
}

/** True for PKCS#8, PKCS#1 and SEC1 keys, encrypted or not. */
export function isPrivateKey(part: PemPart): boolean {
  return /(?:^| )PRIVATE KEY$/.test(part.label);
}

/** True for a key nobody can use without its passphrase: encrypted PKCS#8, or the older `Proc-Type` header. */
export function isEncryptedKey(part: PemPart): boolean {
  return part.label === 'ENCRYPTED PRIVATE KEY' || (isPrivateKey(part) && part.text.includes('ENCRYPTED'));
}

/** What a file holds, in words for an operator: `a certificate`, `a private key`, `no PEM block`. */
export function describePemParts(parts: readonly PemPart[]): string {
  const [first] = parts;
  if (first === undefined) return 'no PEM block';
  if (first.label === 'CERTIFICATE' && parts.length > 1) return `${parts.length} certificates`;
  return describePemPart(first);
}

/** One block in words, with its article. */
export function describePemPart(part: PemPart): string {
  if (part.label === 'CERTIFICATE') return 'a certificate';
  if (isEncryptedKey(part)) return 'an encrypted private key';
  if (isPrivateKey(part)) return 'a private key';
  if (part.label === 'X509 CRL') return 'a revocation list (CRL)';
  if (/CERTIFICATE REQUEST$/.test(part.label)) return 'a certificate signing request';
  return `a PEM block "${part.label}"`;
}
