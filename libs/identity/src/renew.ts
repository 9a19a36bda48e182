import type { KeyObject } from 'node:crypto';
import { readTextIfPresent } from '@sallyport/files';
import { type DeviceId, Problem } from '@sallyport/protocol';
import {
  buildCertificateRequest,
  type Certificate,
  certificatesFromPem,
  leafName,
  parseCertificateRequest,
} from '@sallyport/x509';
import {
  type CertificateFiles,
  holdIdentityRoom,
  type Identity,
  readIdentity,
  replaceCertificate,
  replacePair,
  replaceRoots,
} from './certificate-files.js';
import { certificatesFromEstBody, estBody } from './est-body.js';
import { EstClient, trustFromPem } from './est-client.js';
import { type IssuedChain, issuedChain } from './issued-chain.js';
import { newPrivateKey, publicKeyDer } from './private-key.js';
import { readSigningRequest } from './signing-request.js';

export interface RenewOptions {
  readonly files: CertificateFiles;
  readonly url: string;
  /** Whether to change the key too (RFC 7030 §4.2.2 calls it rekeying); recommended. */
  readonly newKey: boolean;
  /** A file with a CSR for the present key, to send instead of a new one. */
  readonly csrPath?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A renewed certificate that is not in force yet. */
export interface RenewedIdentity extends IssuedChain {
  readonly privateKey: KeyObject;
}

/**
 * Renews a certificate. The certificate itself is the credential, and the roots in `caPath` are trusted. Then puts it
 * in force, together with the roots that the server publishes now.
 *
 * If the process is killed at any point, the old pair or the new pair is in force, never a mixture: see
 * `recoverIdentity`.
 *
 * @returns the new leaf
 * @throws Problem `not-found`: there is no certificate, key or CA file to renew with, or no CSR at `csrPath`
 * @throws Problem `conflict`: the CSR at `csrPath` is for another key
 * @throws Problem `credentials-invalid`, `csr-rejected`, `csr-forbidden`, `certificate-rejected`: the old one stays
 * @throws Problem `unavailable`, `rate-limited`: try again, after `retryAfterSeconds` if given
 */
export async function renewIdentity(options: RenewOptions): Promise<Certificate> {
  const { files, newKey } = options;
  const { privateKey, chain, roots } = await requestRenewal(options);
  // The new roots first. They contain the old roots as long as these are valid.
  await replaceRoots(files, roots);
  if (newKey) await replacePair(files, privateKey, chain);
  else await replaceCertificate(files, privateKey, chain);
  return chain[0];
}

/** As `renewIdentity`, but writes nothing. The caller decides what to do with the result. */
export async function requestRenewal(options: RenewOptions): Promise<RenewedIdentity> {
  const { files, url, newKey, timeoutMs, signal } = options;
  const { identity, rootsPem } = await presentFiles(files);
  const privateKey = newKey ? await newPrivateKey() : identity.privateKey;
  const csr =
    options.csrPath === undefined
      ? renewalRequest(identity, privateKey)
      : await givenRequest(options.csrPath, privateKey);
  const client = new EstClient({
    url,
    trust: trustFromPem(rootsPem),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
  });
  const { certPath, keyPath } = files;
  await using _room = await holdIdentityRoom(newKey ? { certPath, keyPath } : { certPath });
  const published = (await publishedBy(client)) ?? [
    ...certificatesFromPem(rootsPem),
    ...identity.certificates.slice(1),
  ];
  const issued = await client.simpleReenroll(csr, identity);
  const expected = { spki: publicKeyDer(privateKey), deviceId: nameOf(identity), now: new Date() };
  return { privateKey, ...issuedChain(issued, published, expected) };
}

/**
 * Renews through somebody who proves the device, such as the Cumulocity proxy. Writes nothing.
 *
 * @param post sends the body of `simplereenroll` (RFC 7030 §4.2.2) and returns that of the answer 200; else it throws
 * @throws Problem `not-found`, `conflict`: as `renewIdentity`; nothing was sent
 * @throws Problem `certificate-rejected`: what came is not what was asked for
 */
export async function requestRenewalThrough(
  post: (body: string) => Promise<Buffer>,
  { files, csrPath }: Pick<RenewOptions, 'files' | 'csrPath'>,
): Promise<RenewedIdentity> {
  const identity = await presentIdentity(files);
  const { privateKey } = identity;
  const csr = csrPath === undefined ? renewalRequest(identity, privateKey) : await givenRequest(csrPath, privateKey);
  await using _room = await holdIdentityRoom({ certPath: files.certPath });
  const issued = certificatesFromEstBody(await post(estBody(csr)));
  const expected = { spki: publicKeyDer(privateKey), deviceId: nameOf(identity), now: new Date() };
  return { privateKey, ...issuedChain(issued, [], expected) };
}

/** @throws Problem `not-found` naming the file that is missing */
async function presentIdentity(files: CertificateFiles): Promise<Identity> {
  const identity = await readIdentity(files);
  if (identity !== undefined) return identity;
  const missing = (await readTextIfPresent(files.certPath)) === undefined ? files.certPath : files.keyPath;
  throw new Problem(
    'not-found',
    `There is no certificate to renew: ${missing} is missing. Enrol first: sallyport cert download`,
  );
}

/** @throws Problem `not-found` naming the file that is missing */
async function presentFiles(files: CertificateFiles): Promise<{ identity: Identity; rootsPem: string }> {
  const { caPath } = files;
  const identity = await presentIdentity(files);
  const rootsPem = await readTextIfPresent(caPath);
  if (rootsPem !== undefined) return { identity, rootsPem };
  // A device of thin-edge.io has no such file: it trusts the certificates of its system.
  throw new Problem(
    'not-found',
    `The CA file ${caPath} is missing, so the signer could not be told from an impostor; nothing was sent. Copy it from the machine of the signer, where "sallyport ca export --output FILE" writes it.`,
  );
}

/** Undefined if the server has no `cacerts`, such as a proxy to a cloud. Then the device keeps its roots. */
async function publishedBy(client: EstClient): Promise<Certificate[] | undefined> {
  try {
    return await client.caCertificates();
  } catch (error) {
    if (error instanceof Problem && error.type === 'not-found') return undefined;
    throw error;
  }
}

async function givenRequest(path: string, privateKey: KeyObject): Promise<Buffer> {
  const der = await readSigningRequest(path);
  if (der === undefined)
    throw new Problem(
      'not-found',
      'There is no certificate signing request in the file given. Make one: sallyport cert create-csr',
    );
  if (parseCertificateRequest(der).spki.equals(publicKeyDer(privateKey))) return der;
  throw new Problem(
    'conflict',
    'The certificate signing request given is for another key. Make one for the present key: sallyport cert create-csr',
  );
}

/**
 * RFC 7030 §4.2.2: the subject of the request is the subject of the certificate being renewed. Alternative names are
 * left out, which means that they do not change.
 */
function renewalRequest({ certificates: [{ subject }] }: Identity, privateKey: KeyObject): Buffer {
  return buildCertificateRequest({ privateKey, subject });
}

function nameOf({ certificates: [leaf] }: Identity): DeviceId {
  const name = leafName(leaf);
  if (name.fault !== undefined)
    throw new Problem(
      'certificate-rejected',
      'The certificate has no single common name that is a device id, so it cannot be renewed. Enrol again: sallyport cert download',
    );
  return name.deviceId;
}
