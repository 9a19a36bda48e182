import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { Pasted } from '@sallyport/protocol';
import {
  type Certificate,
  type CertificateRevocationList,
  decodeCertsOnly,
  derFromPem,
  describePemPart,
  isCertificate,
  isEncryptedKey,
  isPrivateKey,
  type PemPart,
  parseCertificate,
  parseCertificateRequest,
  parseCrl,
  pemParts,
} from '@sallyport/x509';

/** One thing found in what somebody pasted. */
export type PastedItem =
  | { readonly kind: 'certificate'; readonly certificate: Certificate }
  | {
      readonly kind: 'private-key' | 'public-key' | 'request' | 'revocation-list' | 'unreadable';
      /** What it is, in words. */
      readonly text: string;
      /** Of a revocation list that is well-formed. */
      readonly crl?: CertificateRevocationList;
    };

/** Everything found, and whether more than the limit was there. */
export interface PastedItems {
  readonly items: readonly PastedItem[];
  readonly isCut: boolean;
}

/** Reading a certificate takes about 0.1 ms, so a megabyte of them is not read to its end. */
const mostItems = 100;

/**
 * Finds out what somebody pasted: PEM with any number of blocks, DER, PKCS #7, base64 or hexadecimal of those, or
 * garbage. Never throws, and keeps nothing of a private key.
 */
export function readPasted(pasted: Pasted): PastedItems {
  const bytes = 'text' in pasted ? Buffer.from(pasted.text, 'utf8') : Buffer.from(pasted.base64, 'base64');
  // Latin 1 keeps every byte, so PEM is found in a file with a stray byte, too.
  const text = bytes.toString('latin1');
  const parts = pemParts(text);
  const found = parts.length > 0 ? parts.slice(0, mostItems).flatMap(itemsOfPart) : itemsWithoutPem(bytes, text);
  return { items: found.slice(0, mostItems), isCut: found.length > mostItems || parts.length > mostItems };
}

/** The certificates among them, in order. */
export function certificatesIn(items: readonly PastedItem[]): Certificate[] {
  return items.flatMap((item) => (item.kind === 'certificate' ? [item.certificate] : []));
}

function itemsOfPart(part: PemPart): PastedItem[] {
  if (isPrivateKey(part)) return [privateKeyItem(isEncryptedKey(part))];
  if (part.label === 'TRUSTED CERTIFICATE') return [unreadable(`${capital(describePemPart(part))}.`)];
  if (part.isCutOff) return [unreadable('A PEM block that is cut off: it has no END line. Copy all of it.')];
  try {
    const [der] = derFromPem(part.text, part.label);
    if (der !== undefined) return itemsOfLabel(part, der);
  } catch (error) {
    return [unreadable(reasonOf(error))];
  }
  return [unreadable(`A PEM block "${part.label}" without contents.`)];
}

function itemsOfLabel(part: PemPart, der: Buffer): PastedItem[] {
  if (isCertificate(part)) return [certificateItem(der)];
  if (/^(?:PKCS7|CMS)$/.test(part.label)) return envelopeItems(der) ?? [unreadable('A PKCS #7 block that is damaged.')];
  if (part.label === 'X509 CRL') return [crlItem(der)];
  if (/PUBLIC KEY$/.test(part.label)) return [publicKeyItem];
  if (/CERTIFICATE REQUEST$/.test(part.label)) return [requestItem];
  return [unreadable(`${capital(describePemPart(part))}, which is nothing known here.`)];
}

function itemsWithoutPem(bytes: Buffer, text: string): PastedItem[] {
  if (bytes.length === 0) return [];
  return itemsOfDer(bytes) ?? itemsOfDer(derFromText(text)) ?? [unreadable(notPem)];
}

const notPem =
  'Neither PEM, nor DER, nor PKCS #7, nor base64 of those. Paste the text from "-----BEGIN CERTIFICATE-----" to "-----END CERTIFICATE-----".';

/** Base64 or hexadecimal, as clouds and openssl print it; undefined for other text. */
function derFromText(text: string): Buffer | undefined {
  const packed = text.replaceAll(/[\s:]/g, '');
  // 30: every document read here begins with a SEQUENCE.
  if (/^30[0-9A-Fa-f]+$/.test(packed) && packed.length % 2 === 0) return Buffer.from(packed, 'hex');
  return /^M[A-Za-z0-9+/]+={0,2}$/.test(packed) ? Buffer.from(packed, 'base64') : undefined;
}

function itemsOfDer(der: Buffer | undefined): PastedItem[] | undefined {
  // 0x30: SEQUENCE.
  if (der?.[0] !== 0x30) return undefined;
  if (isReadable(() => parseCertificate(der))) return [certificateItem(der)];
  const list = crlItem(der);
  if (list.kind === 'revocation-list') return [list];
  if (isReadable(() => parseCertificateRequest(der))) return [requestItem];
  if (isReadable(() => createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))) return [privateKeyItem(false)];
  if (isReadable(() => createPrivateKey({ key: der, format: 'der', type: 'pkcs1' }))) return [privateKeyItem(false)];
  if (isReadable(() => createPrivateKey({ key: der, format: 'der', type: 'sec1' }))) return [privateKeyItem(false)];
  if (isReadable(() => createPublicKey({ key: der, format: 'der', type: 'spki' }))) return [publicKeyItem];
  return envelopeItems(der) ?? [certificateItem(der)];
}

/** The certificates of a PKCS #7 envelope; undefined when it is none. */
function envelopeItems(der: Buffer): PastedItem[] | undefined {
  try {
    const ders = decodeCertsOnly(der);
    return ders.length > 0
      ? ders.slice(0, mostItems + 1).map(certificateItem)
      : [unreadable('A PKCS #7 file without certificates.')];
  } catch {
    return undefined;
  }
}

function certificateItem(der: Buffer): PastedItem {
  try {
    // A copy: the parsed certificate would keep all that was pasted.
    return { kind: 'certificate', certificate: parseCertificate(Buffer.from(der)) };
  } catch (error) {
    return unreadable(reasonOf(error));
  }
}

function crlItem(der: Buffer): PastedItem {
  try {
    const crl = parseCrl(der);
    const text = `A revocation list (CRL) of ${crl.issuer.text} with ${crl.entries.length} entries.`;
    return { kind: 'revocation-list', text, crl };
  } catch (error) {
    return unreadable(reasonOf(error));
  }
}

const requestItem: PastedItem = {
  kind: 'request',
  text: 'A certificate signing request (CSR). A CA makes a certificate of it; paste that one.',
};

const publicKeyItem: PastedItem = { kind: 'public-key', text: 'A public key without a certificate.' };

function privateKeyItem(isEncrypted: boolean): PastedItem {
  const kind = isEncrypted ? 'An encrypted private key' : 'A private key';
  return { kind: 'private-key', text: `${kind}. It is never needed here, and was not kept.` };
}

function unreadable(text: string) {
  return { kind: 'unreadable', text } as const;
}

function isReadable(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function capital(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
