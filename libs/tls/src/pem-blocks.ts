/** One `-----BEGIN label-----` ... `-----END label-----` section (RFC 7468), markers included. */
export interface PemBlock {
  readonly label: string;
  readonly text: string;
}

const begin = /-----BEGIN ([A-Z0-9 ]{1,40})-----/g;

/**
 * Cuts a text into its PEM blocks, in order. Text between them is skipped, as OpenSSL does; a block without its end
 * marker ends the search. Contents are not looked at. Linear in the length of the text.
 */
export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  let from = 0;
  for (const match of text.matchAll(begin)) {
    if (match.index < from) continue;
    const [, label = ''] = match;
    const end = `-----END ${label}-----`;
    const endsAt = text.indexOf(end, match.index);
    if (endsAt < 0) return blocks;
    from = endsAt + end.length;
    blocks.push({ label, text: `${text.slice(match.index, from)}\n` });
  }
  return blocks;
}

/** True for PKCS#8, PKCS#1 and SEC1 keys, encrypted or not. */
export function isPrivateKey(block: PemBlock): boolean {
  return /(?:^| )PRIVATE KEY$/.test(block.label);
}

/** True for a key nobody can use without its passphrase: encrypted PKCS#8, or the older `Proc-Type` header. */
export function isEncryptedKey(block: PemBlock): boolean {
  return block.label === 'ENCRYPTED PRIVATE KEY' || (isPrivateKey(block) && block.text.includes('ENCRYPTED'));
}

/** What a file holds, in words for an operator: `a certificate`, `a private key`, `no PEM block`. */
export function describeBlocks(blocks: readonly PemBlock[]): string {
  const [first] = blocks;
  if (first === undefined) return 'no PEM block';
  if (first.label === 'CERTIFICATE') return blocks.length > 1 ? `${blocks.length} certificates` : 'a certificate';
  if (isEncryptedKey(first)) return 'an encrypted private key';
  if (isPrivateKey(first)) return 'a private key';
  if (first.label === 'X509 CRL') return 'a revocation list (CRL)';
  if (/CERTIFICATE REQUEST$/.test(first.label)) return 'a certificate signing request';
  return `a PEM block "${first.label}"`;
}
