import type { KeyObject } from 'node:crypto';
import {
  type HeldRoom,
  holdRoom,
  readTextIfPresent,
  removeIfPresent,
  sweepTemporaryFiles,
  writeFileAtomic,
} from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { type Certificate, certificatesFromPem, pemFromDer } from '@sallyport/x509';
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
  const pair = await committedPair(files);
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
  for (let tries = 0; tries < mostTries; tries += 1) {
    const pair = await pairOnDisk(files);
    if (pair === undefined) return undefined;
    const identity = identityFrom(pair) ?? (await committedIdentity(files));
    if (identity !== undefined) return identity;
  }
  throw new Problem(
    'config-invalid',
    'The private key does not belong to the certificate. Check the settings that name the two files. If they are right, restore the pair, or move both files away and get a new certificate.',
  );
}

/**
 * Replaces the certificate chain of a key that is in force; when somebody has replaced that key meanwhile, it comes back
 * with its chain.
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
 * Replaces key and certificate chain. Killed at any point, `recoverIdentity` yields the old pair or the new one; of
 * several at once, one whole pair is left.
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

// Key, chain and roots, each with its predecessor beside it while it is replaced.
const roomBytes = 65_536;

/**
 * Makes sure that an identity to come can be kept, before it is asked for: a certificate that is issued and then lost is
 * issued again at every try. The folder of the key is looked at when there is to be a new one.
 *
 * @throws NodeJS.ErrnoException: a folder is full, missing or may not be written
 */
export async function holdIdentityRoom(paths: Pick<CertificateFiles, 'certPath'> & Partial<CertificateFiles>) {
  const forChain = await holdRoom(paths.certPath, roomBytes);
  // Two folders may be on two disks; on one disk there is room for both.
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

/** A key and the chain that goes with it, in PEM. */
interface PairPem {
  readonly keyPem: string;
  readonly certPem: string;
}

const mostTries = 20;

/**
 * Several processes may do this at once, with different pairs: each goes on to the pair committed last, and whoever finds
 * a key beside the certificate of another commits a whole pair again. What is not done after 20 tries stays committed.
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
  await writeFileAtomic(pairPathOf(files), keyPem + certPem, privateKeyMode);
}

/** The pair that was committed and is not in force yet; undefined also when what lies there is no pair. */
async function committedPair(files: CertificateFiles): Promise<PairPem | undefined> {
  const pem = (await readTextIfPresent(pairPathOf(files))) ?? '';
  const start = pem.indexOf('-----BEGIN CERTIFICATE-----');
  if (start < 0) return undefined;
  const pair = { keyPem: pem.slice(0, start), certPem: pem.slice(start) };
  return isPair(pair) ? pair : undefined;
}

/** Somebody is replacing both and has got as far as one of them: what was committed counts. */
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

/** Undefined when key and certificate do not pair. @throws Problem `config-invalid`: one of them is none */
function identityFrom({ certPem, keyPem }: PairPem): Identity | undefined {
  const [leaf, ...intermediates] = certificatesFromPem(certPem);
  if (leaf === undefined) throw new Problem('config-invalid', 'The certificate file holds no certificate in PEM.');
  const privateKey = privateKeyFromPem(keyPem);
  if (!publicKeyDer(privateKey).equals(leaf.spki)) return undefined;
  return { certificates: [leaf, ...intermediates], certPem, keyPem, privateKey };
}
