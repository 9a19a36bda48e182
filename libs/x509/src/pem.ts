import { Problem } from '@sallyport/protocol';
import { type Certificate, parseCertificate } from './certificate.js';
import { isCertificate, type PemPart, pemParts, trustedCertificateText } from './pem-contents.js';

/** The labels that this system writes (RFC 7468). */
export type PemLabel =
  | 'CERTIFICATE'
  | 'CERTIFICATE REQUEST'
  | 'PRIVATE KEY'
  | 'ENCRYPTED PRIVATE KEY'
  | 'PUBLIC KEY'
  | 'X509 CRL'
  | 'PKCS7';

/** A block between BEGIN and END lines. */
export interface PemBlock {
  readonly label: string;
  readonly der: Buffer;
  /** The text of the block, including its BEGIN and END lines. */
  readonly text: string;
}

/** Writes DER as PEM: 64 columns, LF, a line feed at the end (RFC 7468 §2). */
export function pemFromDer(label: PemLabel, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  return `-----BEGIN ${label}-----\n${base64.replace(/.{1,64}/g, '$&\n')}-----END ${label}-----\n`;
}

/**
 * Splits the text of a file that has a private key followed by certificates. The second part begins at the first
 * certificate. Returns undefined if there is no certificate.
 */
export function splitAtCertificates(text: string): { before: string; certificates: string } | undefined {
  const start = text.indexOf('-----BEGIN CERTIFICATE-----');
  return start < 0 ? undefined : { before: text.slice(0, start), certificates: text.slice(start) };
}

/**
 * Finds all PEM blocks, in order, as `pemParts` does.
 *
 * @throws Problem `certificate-rejected`: a block without an END line, or not base64.
 */
export function pemBlocks(text: string): PemBlock[] {
  return wholeParts(text).map(blockFrom);
}

function wholeParts(text: string): PemPart[] {
  const parts = pemParts(text);
  const cutOff = parts.find((part) => part.isCutOff);
  if (cutOff === undefined) return parts;
  throw new Problem('certificate-rejected', `The PEM block "${cutOff.label}" has no END line: the file is cut off.`);
}

function blockFrom({ label, text }: PemPart): PemBlock {
  const body = text.trimEnd().split('\n').slice(1, -1);
  const headerEnd = body.indexOf('');
  const hasHeaders = body[0]?.includes(':') === true;
  const base64 = (hasHeaders ? body.slice(headerEnd + 1) : body).join('').replace(/[ \t]/g, '');
  // Count separately: a repeated group in the pattern overflows the stack of the regular expression engine at 8 MB.
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    throw new Problem('certificate-rejected', `The PEM block "${label}" is not base64.`);
  return { label, der: Buffer.from(base64, 'base64'), text };
}

/**
 * DER of every block with this label, in order. Other blocks are skipped.
 *
 * @throws Problem `certificate-rejected`: a block that is cut off or not base64.
 */
export function derFromPem(text: string, label: string | RegExp): Buffer[] {
  const isWanted = (found: string) => (typeof label === 'string' ? found === label : label.test(found));
  return wholeParts(text)
    .filter((part) => isWanted(part.label))
    .map((part) => blockFrom(part).der);
}

/**
 * All certificates of a PEM text, in order. Keys and other blocks are skipped.
 *
 * @throws Problem `certificate-rejected`: one of them is malformed, or limited by rules of OpenSSL. Then nothing is
 *   returned.
 */
export function certificatesFromPem(text: string): Certificate[] {
  const parts = wholeParts(text);
  if (parts.some(({ label }) => label === 'TRUSTED CERTIFICATE'))
    throw new Problem('certificate-rejected', `It holds ${trustedCertificateText}.`);
  return parts.filter(isCertificate).map((part) => parseCertificate(blockFrom(part).der));
}
