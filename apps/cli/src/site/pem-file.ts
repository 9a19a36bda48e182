import type { KeyObject } from 'node:crypto';
import { type FileReading, readOperatorFile } from '@sallyport/files';
import { privateKeyFromPem } from '@sallyport/identity';
import { Problem } from '@sallyport/protocol';
import {
  type Certificate,
  certificatesFromPem,
  describePemPart,
  isCertificate,
  isCertificateOf,
  isEncryptedKey,
  isPrivateKey,
  type PemPart,
  pemParts,
} from '@sallyport/x509';

type FileFault = Exclude<FileReading, { readonly state: 'file' }>;

/** What is found at a path where a certificate, a key or CAs should be. */
export interface PemFile {
  readonly path: string;
  readonly state: FileReading['state'];
  readonly certificates: readonly Certificate[];
  readonly privateKey: KeyObject | undefined;
  /** What it holds, in words: `a private key`, `2 certificates`, `nothing in PEM`. */
  readonly description: string;
  /** What is wrong with a certificate in it; undefined when nothing is. */
  readonly damage: string | undefined;
}

/** The description of a file without any PEM block. */
export const nothingInPem = 'nothing in PEM';

/** Reads a path without ever failing. */
export async function readPemFile(path: string): Promise<PemFile> {
  const reading = await readOperatorFile(path);
  const { state } = reading;
  if (state === 'file') return { path, state, ...contentOf(reading.text) };
  return { path, state, certificates: [], privateKey: undefined, damage: undefined, description: nothingOf(reading) };
}

function nothingOf({ state, fault }: FileFault): string {
  switch (state) {
    case 'missing':
      return 'nothing: there is no such file';
    case 'directory':
      return 'a directory';
    case 'unreadable':
      return `nothing: it ${fault}`;
    default:
      return state satisfies never;
  }
}

/** True when the first certificate belongs to the private key. */
export function isPair(certificate: PemFile, key: PemFile): boolean {
  const [leaf] = certificate.certificates;
  return leaf !== undefined && key.privateKey !== undefined && isCertificateOf(key.privateKey, leaf);
}

function contentOf(text: string): Pick<PemFile, 'certificates' | 'privateKey' | 'description' | 'damage'> {
  const { certificates, damage } = certificatesIn(text);
  const parts = pemParts(text);
  const privateKey = parts.some(isPrivateKey) ? unlessRejected(() => privateKeyFromPem(text)) : undefined;
  return { certificates, privateKey, description: describe(parts, certificates), damage };
}

function certificatesIn(text: string): Pick<PemFile, 'certificates' | 'damage'> {
  try {
    return { certificates: certificatesFromPem(text), damage: undefined };
  } catch (fault) {
    if (fault instanceof Problem) return { certificates: [], damage: fault.message };
    throw fault;
  }
}

/** A file with a key counts as a key, whatever else is in it and even if it is cut off: it must not be lost. */
function describe(parts: readonly PemPart[], certificates: readonly Certificate[]): string {
  const [first] = parts;
  if (first === undefined) return nothingInPem;
  const key = parts.find(isEncryptedKey) ?? parts.find(isPrivateKey);
  if (key !== undefined) return describePemPart(key);
  if (certificates.length > 0) return certificates.some(({ isCa }) => !isCa) ? 'a certificate' : 'a CA certificate';
  return parts.some(isCertificate) ? 'a damaged certificate' : describePemPart(first);
}

function unlessRejected<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (fault) {
    if (fault instanceof Problem) return undefined;
    throw fault;
  }
}
