import { Problem } from '@sallyport/protocol';
import { type Certificate, parseCertificate } from './certificate.js';

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

const begin = /^-----BEGIN ([A-Z0-9 #]{1,64})-----[ \t]*$/;

/**
 * Finds all PEM blocks, in order. Skips text around them, and accepts LF, CRLF and trailing spaces (RFC 7468 §3 lax).
 *
 * @throws Problem `certificate-rejected`: a block without an END line, or not base64.
 */
export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = [];
  const lines = text.split(/\r\n|\n|\r/);
  for (let index = 0; index < lines.length; index++) {
    const label = begin.exec(lines[index] ?? '')?.[1];
    if (label === undefined) continue;
    const end = endOfBlock(lines, index, label);
    if (end === undefined)
      throw new Problem('certificate-rejected', `The PEM block "${label}" has no END line: the file is cut off.`);
    blocks.push(blockFrom(label, lines.slice(index, end + 1)));
    index = end;
  }
  return blocks;
}

function endOfBlock(lines: readonly string[], start: number, label: string): number | undefined {
  for (let index = start + 1; index < lines.length; index++) {
    const line = lines[index]?.trimEnd() ?? '';
    if (line === `-----END ${label}-----`) return index;
    // If a block begins inside another one, the first was cut off.
    if (begin.test(line)) return undefined;
  }
  return undefined;
}

function blockFrom(label: string, lines: readonly string[]): PemBlock {
  const body = lines.slice(1, -1);
  const headerEnd = body.findIndex((line) => line.trim() === '');
  const hasHeaders = body[0]?.includes(':') === true;
  const base64 = (hasHeaders ? body.slice(headerEnd + 1) : body).join('').replace(/[ \t]/g, '');
  // Count separately: a repeated group in the pattern overflows the stack of the regular expression engine at 8 MB.
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64))
    throw new Problem('certificate-rejected', `The PEM block "${label}" is not base64.`);
  return { label, der: Buffer.from(base64, 'base64'), text: `${lines.join('\n')}\n` };
}

/**
 * DER of every block with this label, in order. Other blocks are skipped.
 *
 * @throws Problem `certificate-rejected`: a block that is cut off or not base64.
 */
export function derFromPem(text: string, label: string | RegExp): Buffer[] {
  const isWanted = (found: string) => (typeof label === 'string' ? found === label : label.test(found));
  return pemBlocks(text)
    .filter((block) => isWanted(block.label))
    .map(({ der }) => der);
}

/** Old tools write `X509 CERTIFICATE`. `TRUSTED CERTIFICATE` is not a certificate: settings of OpenSSL follow it. */
const certificateLabels = /^(?:X509 )?CERTIFICATE$/;

/**
 * All certificates of a PEM text, in order. Keys and other blocks are skipped.
 *
 * @throws Problem `certificate-rejected`: one of them is malformed. Then nothing is returned.
 */
export function certificatesFromPem(text: string): Certificate[] {
  return derFromPem(text, certificateLabels).map(parseCertificate);
}
