import type { KeyObject } from 'node:crypto';
import { pause } from '@sallyport/concurrency';
import {
  type HeldRoom,
  holdRoom,
  readTextIfPresent,
  removeIfPresent,
  sweepTemporaryFiles,
  writeFileAtomic,
} from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import {
  type Certificate,
  certificatesFromPem,
  isCertificateOf,
  pemFromDer,
  splitAtCertificates,
} from '@sallyport/x509';
import { privateKeyFromPem, privateKeyPem } from './private-key.js';

/** The files of an identity. */
export interface CertificateFiles {
  /** Leaf first, then its intermediates; mode 0444. */
  readonly certPath: string;
  /** PKCS#8 in PEM; mode 0400. */
  readonly keyPath: string;
  /** The root of the CA that issued the leaf; several roots during a change of the root. Mode 0444. */
  readonly caPath: string;
}

/** An identity as read from disk. Key and certificate belong together. */
export interface Identity {
  /** Leaf first. */
  readonly certificates: readonly [Certificate, ...Certificate[]];
  readonly certPem: string;
  readonly keyPem: string;
  readonly privateKey: KeyObject;
}

export const certificateMode = 0o444;
const privateKeyMode = 0o400;

/**
 * Finishes what a killed process left between two files, and removes its temporary files.
 *
 * A renewal with a new key first writes the whole new pair into one file beside the key. From then on the renewal
 * counts as done. Then it replaces key and certificate. If that file is still there, this function replaces them. Call
 * it at the start, before the pair is read. It is safe to call it at any time, and more than once.
 *
 * @param now decides which temporary files are old enough to be removed
 */
export async function recoverIdentity(files: CertificateFiles, now = new Date()): Promise<void> {
  for (const path of [files.certPath, files.keyPath, pairPathOf(files), files.caPath])
    await sweepTemporaryFiles(path, now);
  const pair = await committedPair(files);
  if (pair !== undefined) await putPairInForce(files, pair);
}

/**
 * Reads key and certificate chain, after `recoverIdentity`.
 *
 * @returns undefined if there is no certificate or no key
 * @throws Problem `config-invalid`: a file cannot be read as what it should be, or key and certificate do not pair
 */
export async function readIdentity(files: CertificateFiles): Promise<Identity | undefined> {
  await recoverIdentity(files);
  for (let tries = 0; tries < mostTries; tries += 1) {
    const pair = await pairOnDisk(files);
    if (pair === undefined) return undefined;
    const identity = identityFrom(pair) ?? (await committedIdentity(files));
    if (identity !== undefined) return identity;
    // Another process is between two writes, and each of them waits for the disk.
    await pause(betweenTriesMs);
  }
  throw new Problem(
    'config-invalid',
    'The private key does not belong to the certificate. Check the settings that name the two files. If they are right, restore the pair, or move both files away and get a new certificate.',
  );
}

/**
 * Replaces the certificate chain of the present key. If another process has replaced this key in the meantime, the key
 * is written back, together with its chain.
 */
export async function replaceCertificate(
  files: CertificateFiles,
  privateKey: KeyObject,
  chain: readonly Certificate[],
): Promise<void> {
  await writeFileAtomic(files.certPath, pemOf(chain), certificateMode);
  if (!(await isPaired(files))) await replacePair(files, privateKey, chain);
}

/**
 * Replaces key and certificate chain. If the process is killed at any point, `recoverIdentity` gives the old pair or
 * the new one. If several processes do it at once, the pair of one of them remains.
 */
export async function replacePair(
  files: CertificateFiles,
  privateKey: KeyObject,
  chain: readonly Certificate[],
): Promise<void> {
  const pair = { keyPem: privateKeyPem(privateKey), certPem: pemOf(chain) };
  await commitPair(files, pair);
  await putPairInForce(files, pair);
}

// Key, chain and roots. While a file is replaced, old and new need room.
const roomBytes = 65_536;

/**
 * Makes sure that there is room for a new identity, before it is requested. Otherwise each try would issue a
 * certificate, and lose it. The folder of the key is checked if there will be a new key.
 *
 * @throws NodeJS.ErrnoException: a folder is full, missing or may not be written
 */
export async function holdIdentityRoom(paths: Pick<CertificateFiles, 'certPath'> & Partial<CertificateFiles>) {
  const forChain = await holdRoom(paths.certPath, roomBytes);
  // The two folders may be on two disks. On one disk there is room for both.
  if (paths.keyPath !== undefined) await proveRoom(paths.keyPath, forChain);
  return forChain;
}

async function proveRoom(path: string, alreadyHeld: HeldRoom): Promise<void> {
  try {
    await (await holdRoom(path, roomBytes)).release();
  } catch (error) {
    await alreadyHeld.release();
    throw error;
  }
}

/** Replaces the trusted roots. If they are the same, does not touch the file. */
export async function replaceRoots(
  files: Pick<CertificateFiles, 'caPath'> & Partial<CertificateFiles>,
  roots: readonly Certificate[],
): Promise<void> {
  const pem = pemOf(roots);
  if ((await readTextIfPresent(files.caPath)) !== pem)
    await writeFileAtomic(files.caPath, pem, { mode: certificateMode, model: files.certPath });
}

/** Certificates in PEM, one after the other. */
export function pemOf(certificates: readonly Certificate[]): string {
  return certificates.map(({ der }) => pemFromDer('CERTIFICATE', der)).join('');
}

/** The file that commits a change of key and certificate as soon as it exists. */
function pairPathOf({ keyPath }: CertificateFiles): string {
  return `${keyPath}.next`;
}

/** A key and the chain that goes with it, in PEM. */
interface PairPem {
  readonly keyPem: string;
  readonly certPem: string;
}

const mostTries = 20;
const betweenTriesMs = 10;

/**
 * Several processes may do this at once, with different pairs. Each continues until it has written the pair committed
 * last. A process that finds a key beside the certificate of another key commits a whole pair again. After 20 tries it
 * stops; the pair stays committed.
 */
async function putPairInForce(files: CertificateFiles, committed: PairPem): Promise<void> {
  let pair = committed;
  for (let tries = 0; tries < mostTries; tries += 1) {
    await writeFileAtomic(files.keyPath, pair.keyPem, privateKeyMode);
    await writeFileAtomic(files.certPath, pair.certPem, certificateMode);
    const latest = (await committedPair(files)) ?? pair;
    const isLatest = latest.keyPem === pair.keyPem && latest.certPem === pair.certPem;
    pair = latest;
    if (!isLatest) continue;
    if (await isPaired(files)) {
      await removeIfPresent(pairPathOf(files));
      return;
    }
    await commitPair(files, pair);
  }
}

async function commitPair(files: CertificateFiles, { keyPem, certPem }: PairPem): Promise<void> {
  await writeFileAtomic(pairPathOf(files), keyPem + certPem, { mode: privateKeyMode, model: files.keyPath });
}

/** The committed pair that is not in force yet; undefined also if the file holds no pair. */
async function committedPair(files: CertificateFiles): Promise<PairPem | undefined> {
  const parts = splitAtCertificates((await readTextIfPresent(pairPathOf(files))) ?? '');
  if (parts === undefined) return undefined;
  const pair = { keyPem: parts.before, certPem: parts.certificates };
  return isPair(pair) ? pair : undefined;
}

/** Another process is replacing both, and has replaced one of them. Use the committed pair. */
async function committedIdentity(files: CertificateFiles): Promise<Identity | undefined> {
  const pair = await committedPair(files);
  return pair && identityFrom(pair);
}

async function pairOnDisk({ certPath, keyPath }: CertificateFiles): Promise<PairPem | undefined> {
  const [certPem, keyPem] = [await readTextIfPresent(certPath), await readTextIfPresent(keyPath)];
  return certPem === undefined || keyPem === undefined ? undefined : { certPem, keyPem };
}

async function isPaired(files: CertificateFiles): Promise<boolean> {
  const pair = await pairOnDisk(files);
  return pair !== undefined && isPair(pair);
}

function isPair(pem: PairPem): boolean {
  try {
    return identityFrom(pem) !== undefined;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

/**
 * Undefined if key and certificate do not pair. @throws Problem `config-invalid`: a text is no key or no certificate
 */
function identityFrom({ certPem, keyPem }: PairPem): Identity | undefined {
  const [leaf, ...intermediates] = certificatesFromPem(certPem);
  if (leaf === undefined) throw new Problem('config-invalid', 'The certificate file holds no certificate in PEM.');
  const privateKey = privateKeyFromPem(keyPem);
  if (!isCertificateOf(privateKey, leaf)) return undefined;
  return { certificates: [leaf, ...intermediates], certPem, keyPem, privateKey };
}
