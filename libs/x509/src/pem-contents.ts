import { plainCertificate } from './trusted-certificate.js';

/** One `-----BEGIN label-----` ... `-----END label-----` section (RFC 7468); nobody has read its contents yet. */
export interface PemPart {
  /** `CERTIFICATE` also for the older `X509 CERTIFICATE`, and for a `TRUSTED CERTIFICATE` without rules. */
  readonly label: string;
  /** Written as OpenSSL and Node read it: 64 columns and LF; empty if the block is cut off. */
  readonly text: string;
  /** True if its END line is missing. */
  readonly isCutOff: boolean;
}

const marker = /-----(BEGIN|END) ([A-Z0-9 #]{1,64})-----/g;

// At the start of a line, which a byte order mark (read as UTF-8 or as Latin 1) may come before; or directly after the
// END of the block before, when files were joined and the first had no line feed at its end.
const startOfBlock = /(?:^|[\r\n]|\ufeff|\u00ef\u00bb\u00bf|-----)[ \t]*$/;

/**
 * Cuts a text into its PEM blocks, in order, and never fails: the only reader of PEM here. Takes a byte order mark, LF,
 * CRLF and CR, spaces around lines, blocks joined without a line feed, and text between blocks, as OpenSSL does or more.
 * Contents are not looked at. Linear in the length of the text.
 */
export function pemParts(text: string): PemPart[] {
  const parts: PemPart[] = [];
  let open: { readonly label: string; readonly bodyFrom: number } | undefined;
  for (const match of text.matchAll(marker)) {
    const [whole, kind, label = ''] = match;
    if (kind === 'END') {
      if (open === undefined) continue;
      parts.push(label === open.label ? partFrom(label, text.slice(open.bodyFrom, match.index)) : cutOff(open.label));
      open = undefined;
      continue;
    }
    // If a block begins inside another one, the first was cut off.
    if (open !== undefined) parts.push(cutOff(open.label));
    else if (!startOfBlock.test(text.slice(Math.max(0, match.index - 80), match.index))) continue;
    open = { label, bodyFrom: match.index + whole.length };
  }
  if (open !== undefined) parts.push(cutOff(open.label));
  return parts;
}

/** Old tools write `X509 CERTIFICATE`; OpenSSL takes it, too. */
function cutOff(label: string): PemPart {
  return { label: label === 'X509 CERTIFICATE' ? 'CERTIFICATE' : label, text: '', isCutOff: true };
}

function partFrom(label: string, body: string): PemPart {
  if (label === 'X509 CERTIFICATE') return whole('CERTIFICATE', body);
  const plain = label === 'TRUSTED CERTIFICATE' ? plainCertificate(Buffer.from(body, 'base64')) : undefined;
  return plain === undefined ? whole(label, body) : whole('CERTIFICATE', plain.toString('base64'));
}

function whole(label: string, body: string): PemPart {
  const lines = body.split(/\r\n|\n|\r/).map((line) => line.trim());
  // RFC 1421 §4.4: headers of older keys, such as Proc-Type, end with an empty line.
  const hasHeaders = lines.some((line) => line.includes(':'));
  const content = hasHeaders ? `${lines.join('\n').trim()}\n` : lines.join('').replace(/.{1,64}/g, '$&\n');
  return { label, text: `-----BEGIN ${label}-----\n${content}-----END ${label}-----\n`, isCutOff: false };
}

/** The certificates of a text, each as one PEM block. Blocks that are cut off are left out. */
export function certificatePemsIn(text: string): string[] {
  return pemParts(text).flatMap((part) => (isCertificate(part) && !part.isCutOff ? [part.text] : []));
}

/** True for a certificate, whichever of its labels it has. */
export function isCertificate(part: PemPart): boolean {
  return part.label === 'CERTIFICATE';
}

/** True for PKCS#8, PKCS#1 and SEC1 keys, encrypted or not. */
export function isPrivateKey(part: Pick<PemPart, 'label'>): boolean {
  return /(?:^| )PRIVATE KEY$/.test(part.label);
}

/** True for a key nobody can use without its passphrase: encrypted PKCS#8, or the older `Proc-Type` header. */
export function isEncryptedKey(part: Pick<PemPart, 'label' | 'text'>): boolean {
  return part.label === 'ENCRYPTED PRIVATE KEY' || (isPrivateKey(part) && part.text.includes('ENCRYPTED'));
}

/** What a file holds, in words for an operator: `a certificate`, `a private key`, `no PEM block`. */
export function describePemParts(parts: readonly PemPart[]): string {
  const [first] = parts;
  if (first === undefined) return 'no PEM block';
  if (isCertificate(first) && parts.length > 1) return `${parts.length} certificates`;
  return describePemPart(first);
}

/** One block in words, with its article. */
export function describePemPart(part: PemPart): string {
  if (part.label === 'CERTIFICATE') return part.isCutOff ? 'a certificate that is cut off' : 'a certificate';
  if (part.label === 'TRUSTED CERTIFICATE') return trustedCertificateText;
  if (isEncryptedKey(part)) return 'an encrypted private key';
  if (isPrivateKey(part)) return 'a private key';
  if (part.label === 'X509 CRL') return 'a revocation list (CRL)';
  if (/CERTIFICATE REQUEST$/.test(part.label)) return 'a certificate signing request';
  return `a PEM block "${part.label}"`;
}

/** Why a `TRUSTED CERTIFICATE` with rules is not read, and what to do. */
export const trustedCertificateText =
  'an OpenSSL "TRUSTED CERTIFICATE" with rules for its use, which nothing here reads ("openssl x509 -in OLD -out NEW" writes it without them)';
