import type { KeyObject } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import { type Certificate, certificatesFromPem, pemFromDer } from '@sallyport/x509';
import { readTextIfPresent, removeIfPresent, sweepTemporaryFiles, writeFileAtomic } from './atomic-file.js';
import { privateKeyFromPem, privateKeyPem, publicKeyDer } from './private-key.js';

/** Where an identity lives on disk. */
export interface CertificateFiles {
  /** Leaf first, then its intermediates; mode 0444. */
  readonly certPath: string;
  /** PKCS#8 in PEM; mode 0400. */
  readonly keyPath: string;
  /** The root, or during a root change the roots, of the CA that issued the leaf; mode 0444. */
  readonly caPath: string;
}

/** An identity as read from disk: key and certificate belong together. */
export interface Identity {
  /** Leaf first. */
  readonly certificates: readonly [Certificate, ...Certificate[]];
  readonly certPem: string;
  readonly keyPem: string;
  readonly privateKey: KeyObject;
}

const certificateMode = 0o444;
const privateKeyMode = 0o400;

/**
 * Puts right what a killed process left between two files, and removes its temporary ones.
 *
 * A renewal with a new key first writes the whole new pair into one file beside the key, which is the moment it counts
 * as done; then it replaces key and certificate. When that file is still there, the replacing is finished here. Call it
 * before reading the pair at start. Safe to call at any time and any number of times.
 *
 * @param now decides which temporary files are old enough to be nobody's
 */
export async function recoverIdentity(files: CertificateFiles, now = new Date()): Promise<void> {
  for (const path of [files.certPath, files.keyPath, pairPathOf(files), files.caPath])
    await sweepTemporaryFiles(path, now);
  const pair = await readTextIfPresent(pairPathOf(files));
  if (pair !== undefined) await putPairInForce(files, pair);
}

/**
 * Reads key and certificate chain, after `recoverIdentity`.
 *
 * @returns undefined when there is no certificate or no key
 * @throws Problem `config-invalid`: a file cannot be read as what it should be, or key and certificate do not pair
 */
export async function readIdentity(files: CertificateFiles): Promise<Identity | undefined> {
  await recoverIdentity(files);
  const certPem = await readTextIfPresent(files.certPath);
  const keyPem = await readTextIfPresent(files.keyPath);
  if (certPem === undefined || keyPem === undefined) return undefined;
  const [leaf, ...intermediates] = certificatesFromPem(certPem);
  if (leaf === undefined) throw new Problem('config-invalid', 'The certificate file holds no certificate in PEM.');
  const privateKey = privateKeyFromPem(keyPem);
  if (!publicKeyDer(privateKey).equals(leaf.spki))
    throw new Problem(
      'config-invalid',
      'The private key does not belong to the certificate beside it. Remove both (sallyport cert remove) and enrol again.',
    );
  return { certificates: [leaf, ...intermediates], certPem, keyPem, privateKey };
}

/** Replaces the certificate chain; the key stays. */
export async function replaceCertificate(files: CertificateFiles, chain: readonly Certificate[]): Promise<void> {
  await writeFileAtomic(files.certPath, pemOf(chain), certificateMode);
}

/** Replaces key and certificate chain. Killed at any point, `recoverIdentity` yields the old pair or the new one. */
export async function replacePair(
  files: CertificateFiles,
  privateKey: KeyObject,
  chain: readonly Certificate[],
): Promise<void> {
  const pair = privateKeyPem(privateKey) + pemOf(chain);
  await writeFileAtomic(pairPathOf(files), pair, privateKeyMode);
  await putPairInForce(files, pair);
}

/** Replaces the trusted roots; leaves the file alone when they are the same. */
export async function replaceRoots(files: CertificateFiles, roots: readonly Certificate[]): Promise<void> {
  const pem = pemOf(roots);
  if ((await readTextIfPresent(files.caPath)) !== pem) await writeFileAtomic(files.caPath, pem, certificateMode);
}

/** Certificates in PEM, one after the other. */
export function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ der }) => pemFromDer('CERTIFICATE', der)).join('');
}

/** The one file whose appearance commits a change of key and certificate. */
function pairPathOf({ keyPath }: CertificateFiles): string {
  return `${keyPath}.next`;
}

// Two processes that replace the pair at once can interleave; whoever writes last notices and repairs it.
const interleavingTries = 5;

async function putPairInForce(files: CertificateFiles, pair: string): Promise<void> {
  const { keyPem, certPem } = splitPair(pair);
  for (let tries = 0; tries < interleavingTries; tries++) {
    await writeFileAtomic(files.keyPath, keyPem, privateKeyMode);
    await writeFileAtomic(files.certPath, certPem, certificateMode);
    if (await isPaired(files)) break;
  }
  await removeIfPresent(pairPathOf(files));
}

function splitPair(pair: string): { keyPem: string; certPem: string } {
  const start = pair.indexOf('-----BEGIN CERTIFICATE-----');
  return { keyPem: pair.slice(0, start), certPem: pair.slice(start) };
}

async function isPaired({ certPath, keyPath }: CertificateFiles): Promise<boolean> {
  const [certPem, keyPem] = [await readTextIfPresent(certPath), await readTextIfPresent(keyPath)];
  const [leaf] = certPem === undefined ? [] : certificatesFromPem(certPem);
  if (leaf === undefined || keyPem === undefined) return false;
  return publicKeyDer(privateKeyFromPem(keyPem)).equals(leaf.spki);
}
