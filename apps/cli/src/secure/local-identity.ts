import { dirname } from 'node:path';
import type { AdminClient } from '@sallyport/admin-client';
import type { Settings } from '@sallyport/config';
import { makeFolder } from '@sallyport/files';
import {
  type CertificateFiles,
  ensurePrivateKey,
  localIdentityFiles,
  needsRenewal,
  publicKeyDer,
  readIdentity,
  recoverIdentity,
  replaceCertificate,
  replaceRoots,
} from '@sallyport/identity';
import { deviceId, Problem, type SigningRequest, signerRoutes } from '@sallyport/protocol';
import { buildCertificateRequest, type Certificate, certificatesFromPem, hasBegun, pemFromDer } from '@sallyport/x509';
import { adminIdentityFiles } from '../admin/admin-clients.js';
import { Failure } from '../failure.js';
import { leadsTo } from '../site/trusted-roots.js';

/** A certificate this program keeps for use on this machine. */
export interface LocalIdentity {
  readonly name: string;
  readonly profile: SigningRequest['profile'];
  readonly files: CertificateFiles;
}

/** What clients of this machine show to the listeners of the site. */
export function localClient({ stateDirectory }: Settings): LocalIdentity {
  return { name: 'local-client', profile: 'service', files: localIdentityFiles(stateDirectory, 'client') };
}

/** What this program shows to the admin API on the network. */
export function administrator(settings: Settings): LocalIdentity {
  return { name: 'operator', profile: 'admin', files: adminIdentityFiles(settings) };
}

/** Writes the roots into the folder where the certificate of the identity is, or will be. */
export async function placeRoots({ files }: LocalIdentity, roots: readonly Certificate[]): Promise<void> {
  await makeFolder(dirname(files.caPath), 0o700);
  await replaceRoots(files, roots);
}

/**
 * Makes sure the identity has a certificate of the site that is far from its end; gets one from the signer if not. The
 * key is made here and stays here.
 *
 * @returns whether a new certificate was issued
 */
export async function ensureIdentity(
  identity: LocalIdentity,
  { signer, roots, now }: { signer: AdminClient; roots: readonly Certificate[]; now: Date },
): Promise<boolean> {
  const { name, profile, files } = identity;
  await placeRoots(identity, roots);
  await recoverIdentity(files);
  if (await isGood(files, roots, now)) return false;
  const privateKey = await ensurePrivateKey(files.keyPath);
  const csr = pemFromDer('CERTIFICATE REQUEST', buildCertificateRequest({ privateKey, commonName: name }));
  const body: SigningRequest = { csr, name: deviceId.parse(name), profile, subjectAltNames: [] };
  const chain = certificatesFromPem((await signer.call(signerRoutes.signRequest, { body })).chain);
  if (chain[0]?.spki.equals(publicKeyDer(privateKey)) !== true || !leadsTo(chain, roots))
    throw new Failure(
      `The signer issued something else than was asked for ${name}.`,
      'Look into the log of the signer.',
    );
  await replaceCertificate(files, privateKey, chain);
  return true;
}

async function isGood(files: CertificateFiles, roots: readonly Certificate[], now: Date): Promise<boolean> {
  try {
    const identity = await readIdentity(files);
    if (identity === undefined) return false;
    const [leaf] = identity.certificates;
    return leadsTo(identity.certificates, roots) && hasBegun(leaf, now) && !needsRenewal(leaf, now);
  } catch (fault) {
    // Replace a file that cannot be used, as if it were missing. Anything else is a fault of the disk.
    if (fault instanceof Problem) return false;
    throw fault;
  }
}
