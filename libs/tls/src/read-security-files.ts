import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { type FileReading, readOperatorFile } from '@sallyport/files';
import { Problem, type SecurityLevel } from '@sallyport/protocol';
import {
  type Certificate,
  certificatesFromPem,
  describePemParts,
  hasBegun,
  hasEnded,
  isCertificate,
  isEncryptedKey,
  isPrivateKey,
  keyWeakness,
  type PemPart,
  pemFromDer,
  pemParts,
} from '@sallyport/x509';
import { type HalfPair, pairOf } from './pair.js';
import { readTrustAnchors } from './read-trust-anchors.js';
import { levelOf, type SecuritySettings } from './settings.js';
import type { TrustAnchors } from './trust-anchors.js';

/** The three files of one listener, and the configuration keys that name them. */
export interface SecurityFilePaths {
  readonly certPath?: string | undefined;
  readonly keyPath?: string | undefined;
  /** A PEM file, or a directory of them. */
  readonly caPath?: string | undefined;
  /** Such as `http.cert_path`, for messages. */
  readonly keys: { readonly cert: string; readonly key: string; readonly ca: string };
}

export interface SecurityFiles {
  readonly level: SecurityLevel;
  readonly settings: SecuritySettings;
  /** What works but needs attention, one sentence each. */
  readonly warnings: string[];
}

interface Pair {
  readonly certificatePem: string;
  readonly keyPem: string;
  readonly certificate: Certificate;
}

/**
 * Reads the files that decide a listener's security level. No certificate and no key: `plain`. Both: `server`. Both and
 * trusted CAs: `mutual`. Reports all faults of the files at once.
 *
 * The texts name configuration keys and paths. They are for the operator (log, CLI), never for a remote caller. They
 * contain nothing of a key.
 *
 * @throws Problem `config-invalid`: half a pair, a file that is missing or holds something else (swapped files are
 *   called so), an encrypted key, a key of another certificate, or no usable CA.
 */
export async function readSecurityFiles(
  paths: SecurityFilePaths,
  options: { readonly now?: Date } = {},
): Promise<SecurityFiles> {
  const { caPath, keys } = paths;
  const named = pairOf(paths.certPath, paths.keyPath);
  if (named.kind === 'none') return plain(paths);
  if (named.kind === 'half') throw new Problem('config-invalid', halfPair(paths, named));
  const warnings: string[] = [];
  const pair = await readPair({ certPath: named.cert, keyPath: named.key, keys }, warnings);
  warnings.push(...doubts(pair.certificate, keys.cert, options.now ?? new Date()));
  const ca = caPath === undefined ? undefined : await readAnchors(keys.ca, caPath, options);
  for (const warning of ca?.warnings ?? []) warnings.push(`${keys.ca}: ${warning}`);
  const { certificatePem, keyPem } = pair;
  const settings: SecuritySettings =
    ca === undefined
      ? { certificatePem, keyPem, clientCertificate: 'none' }
      : { certificatePem, keyPem, ca, clientCertificate: 'required' };
  return { level: levelOf(settings), settings, warnings };
}

function plain({ caPath, keys }: SecurityFilePaths): SecurityFiles {
  const warnings =
    caPath === undefined
      ? []
      : [`${keys.ca} has no effect while ${keys.cert} and ${keys.key} are not set: the port speaks plain HTTP.`];
  return { level: 'plain', settings: { clientCertificate: 'none' }, warnings };
}

function halfPair({ caPath, keys }: SecurityFilePaths, half: HalfPair): string {
  const [present, missing] = [keys[half.present], keys[half.missing]];
  const state = (name: string, isSet: boolean) => `${name} (${isSet ? 'set' : 'not set'})`;
  const group = [
    state(keys.cert, present === keys.cert),
    state(keys.key, present === keys.key),
    state(keys.ca, caPath !== undefined),
  ];
  return `${present} is set but ${missing} is not. The group is ${group.join(', ')}. Set ${missing} too for TLS, or unset ${present} to be without TLS.`;
}

async function readAnchors(key: string, path: string, options: { readonly now?: Date }): Promise<TrustAnchors> {
  try {
    return await readTrustAnchors(path, options);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    throw new Problem('config-invalid', `${key}: ${error.message}`, { cause: error });
  }
}

type PairPaths = Required<Pick<SecurityFilePaths, 'keys'>> & { readonly certPath: string; readonly keyPath: string };

async function readPair({ certPath, keyPath, keys }: PairPaths, warnings: string[]): Promise<Pair> {
  const certFile = { key: keys.cert, path: certPath, reading: await readOperatorFile(certPath) };
  const keyFile = { key: keys.key, path: keyPath, reading: await readOperatorFile(keyPath) };
  if (isSwapped(certFile.reading, keyFile.reading))
    throw new Problem(
      'config-invalid',
      `${keys.cert} and ${keys.key} are swapped: ${certPath} holds a private key and ${keyPath} a certificate. Exchange the two.`,
    );
  const certificates = certificatesIn(certFile);
  const privateKey = privateKeyIn(keyFile);
  const faults = [certificates, privateKey].filter((each) => typeof each === 'string');
  if (typeof certificates === 'string' || typeof privateKey === 'string')
    throw new Problem('config-invalid', faults.join(' '));
  const mismatch = pairFault(certificates, privateKey.key);
  if (mismatch !== undefined)
    throw new Problem('config-invalid', `${keys.key} (${keyPath}) ${mismatch} ${keys.cert} (${certPath}).`);
  const weakness = keyWeakness(certificates[0].certificate);
  if (weakness !== undefined)
    throw new Problem(
      'config-invalid',
      `${keys.cert}: the certificate in ${certPath} ${weakness}. Anybody could pose as this server, so it is not used. Make a new key and have a certificate issued for it.`,
    );
  warnings.push(...exposure(keyFile));
  return {
    certificatePem: certificates.map(({ text }) => text).join(''),
    keyPem: privateKey.pem,
    certificate: certificates[0].certificate,
  };
}

interface OperatorFile {
  readonly key: string;
  readonly path: string;
  readonly reading: FileReading;
}

const blocksOf = (reading: FileReading): PemPart[] => (reading.fault === undefined ? pemParts(reading.text) : []);

function isSwapped(certFile: FileReading, keyFile: FileReading): boolean {
  const [first, second] = [blocksOf(certFile), blocksOf(keyFile)];
  const holdsOnly = (blocks: PemPart[], isKey: boolean) =>
    blocks.length > 0 && blocks.some(isPrivateKey) === isKey && blocks.some(isCertificate) !== isKey;
  return holdsOnly(first, true) && holdsOnly(second, false);
}

interface ReadCertificate {
  readonly text: string;
  readonly certificate: Certificate;
}

/** The certificates of a file, leaf first. A sentence when there is none, or one is malformed. */
function certificatesIn({
  key,
  path,
  reading,
}: OperatorFile): readonly [ReadCertificate, ...ReadCertificate[]] | string {
  if (reading.fault !== undefined) return `${key}: ${path} ${reading.fault}.`;
  const blocks = pemParts(reading.text);
  try {
    const [first, ...rest] = certificatesFromPem(reading.text).map((certificate) => {
      return { text: pemFromDer('CERTIFICATE', certificate.der), certificate };
    });
    if (first !== undefined) return [first, ...rest];
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return `${key}: ${path} is damaged. ${error.message}`;
  }
  return `${key}: ${path} holds ${describePemParts(blocks)}, not a certificate. Name a PEM file with the certificate and its intermediates.`;
}

/** The first private key of a file. A sentence when there is none, or it cannot be used. */
function privateKeyIn({
  key,
  path,
  reading,
}: OperatorFile): { readonly pem: string; readonly key: KeyObject } | string {
  if (reading.fault !== undefined) return `${key}: ${path} ${reading.fault}.`;
  const blocks = pemParts(reading.text);
  const block = blocks.find(isPrivateKey);
  if (block === undefined)
    return `${key}: ${path} holds ${describePemParts(blocks)}, not a private key. Name the PEM file with the private key.`;
  if (isEncryptedKey(block))
    return `${key}: ${path} holds an encrypted private key, and there is nobody to type its passphrase. Decrypt it with "openssl pkey -in OLD -out NEW" and protect the file instead.`;
  if (block.isCutOff) return `${key}: ${path} holds a private key that is cut off: it has no END line.`;
  try {
    return { pem: block.text, key: createPrivateKey(block.text) };
  } catch {
    // OpenSSL's message ("DECODER routines::unsupported") would not help an operator.
    return `${key}: ${path} holds a private key that is damaged or of an unknown kind.`;
  }
}

/** Words between the key's name and the certificate's, or undefined when they belong together. */
function pairFault(certificates: readonly ReadCertificate[], key: KeyObject): string | undefined {
  const index = certificates.findIndex(({ certificate }) => new X509Certificate(certificate.der).checkPrivateKey(key));
  if (index === 0) return undefined;
  return index < 0
    ? 'is not the key of the certificate in'
    : `belongs to certificate ${index + 1}, which has to come first, in`;
}

function exposure({ key, path, reading }: OperatorFile): string[] {
  if (reading.fault !== undefined || (reading.stats.mode & 0o007) === 0) return [];
  const mode = (reading.stats.mode & 0o777).toString(8).padStart(4, '0');
  return [
    `${key}: every user of this machine can read the private key ${path} (mode ${mode}). Run "chmod 0600" on it.`,
  ];
}

/** What makes clients refuse the listener's own certificate. */
function doubts(certificate: Certificate, key: string, now: Date): string[] {
  const { notBefore, notAfter, extendedKeyUsages, subjectAltNames } = certificate;
  const found: string[] = [];
  if (hasEnded(certificate, now))
    found.push(`${key}: the certificate expired ${notAfter.toISOString()}; clients will refuse it.`);
  if (!hasBegun(certificate, now))
    found.push(`${key}: the certificate is not valid before ${notBefore.toISOString()}.`);
  const isForServers =
    extendedKeyUsages?.some((purpose) => purpose === 'serverAuth' || purpose === 'anyExtendedKeyUsage') ?? true;
  if (!isForServers) found.push(`${key}: the certificate is not meant for servers (no extended key usage serverAuth).`);
  if (!subjectAltNames.some(({ type }) => type === 'dns' || type === 'ip'))
    found.push(`${key}: the certificate names no host (subject alternative name); clients will refuse it.`);
  return found;
}
