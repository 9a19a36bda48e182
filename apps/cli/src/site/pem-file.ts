import type { KeyObject } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { privateKeyFromPem, publicKeyDer } from '@sallyport/identity';
import { Problem } from '@sallyport/protocol';
import { type Certificate, certificatesFromPem } from '@sallyport/x509';

/** What a path holds that is meant to be a certificate, a key, or CAs. */
export interface PemFile {
  readonly path: string;
  readonly state: 'missing' | 'unreadable' | 'directory' | 'file';
  readonly certificates: readonly Certificate[];
  readonly privateKey: KeyObject | undefined;
  /** What it holds, in words: `a private key`, `2 certificates`, `nothing in PEM`. */
  readonly description: string;
  /** What is wrong with a certificate in it; undefined when nothing is. */
  readonly damage: string | undefined;
}

/** The description of a file without any PEM block. */
export const nothingInPem = 'nothing in PEM';

const largestFileBytes = 4 * 1024 * 1024;

/** Reads a path without ever failing. */
export async function readPemFile(path: string): Promise<PemFile> {
  const nothing = { path, certificates: [], privateKey: undefined, damage: undefined } as const;
  try {
    const facts = await stat(path);
    if (facts.isDirectory()) return { ...nothing, state: 'directory', description: 'a directory' };
    if (!facts.isFile() || facts.size > largestFileBytes)
      return { ...nothing, state: 'unreadable', description: 'no PEM file' };
    return { path, state: 'file', ...contentOf(await readFile(path, 'latin1')) };
  } catch (fault) {
    const code = fault instanceof Error && 'code' in fault ? String(fault.code) : '';
    if (code === 'ENOENT') return { ...nothing, state: 'missing', description: 'nothing: there is no such file' };
    return { ...nothing, state: 'unreadable', description: `nothing that can be read (${code})` };
  }
}

/** True when the first certificate belongs to the private key. */
export function isPair(certificate: PemFile, key: PemFile): boolean {
  const [leaf] = certificate.certificates;
  return leaf !== undefined && key.privateKey !== undefined && publicKeyDer(key.privateKey).equals(leaf.spki);
}

function contentOf(text: string): Pick<PemFile, 'certificates' | 'privateKey' | 'description' | 'damage'> {
  const { certificates, damage } = certificatesIn(text);
  const keyBlock = /-----BEGIN (?:EC |RSA )?PRIVATE KEY-----[^-]+-----END (?:EC |RSA )?PRIVATE KEY-----/.exec(
    text,
  )?.[0];
  const privateKey = keyBlock === undefined ? undefined : unlessRejected(() => privateKeyFromPem(`${keyBlock}\n`));
  return { certificates, privateKey, description: describe(text, certificates), damage };
}

function certificatesIn(text: string): Pick<PemFile, 'certificates' | 'damage'> {
  try {
    return { certificates: certificatesFromPem(text), damage: undefined };
  } catch (fault) {
    if (fault instanceof Problem) return { certificates: [], damage: fault.message };
    throw fault;
  }
}

function describe(text: string, certificates: readonly Certificate[]): string {
  const labels = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----/g)].map(([, label = '']) => label);
  if (labels.length === 0) return nothingInPem;
  if (labels.some((label) => label.endsWith('ENCRYPTED PRIVATE KEY'))) return 'an encrypted private key';
  if (labels.some((label) => label.endsWith('PRIVATE KEY'))) return 'a private key';
  if (certificates.length > 0) return certificates.some(({ isCa }) => !isCa) ? 'a certificate' : 'a CA certificate';
  return labels.includes('CERTIFICATE') ? 'a damaged certificate' : `a ${(labels[0] ?? '').toLowerCase()}`;
}

function unlessRejected<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (fault) {
    if (fault instanceof Problem) return undefined;
    throw fault;
  }
}
