import type { KeyObject } from 'node:crypto';
import { removeIfPresent, writeFileAtomic } from '@sallyport/files';
import { canonicalDeviceId, type DeviceId, Problem, parseEnrolmentToken } from '@sallyport/protocol';
import {
  buildCertificateRequest,
  type Certificate,
  parseCertificateRequest,
  pemFromDer,
  type SubjectAltName,
} from '@sallyport/x509';
import {
  type CertificateFiles,
  holdIdentityRoom,
  recoverIdentity,
  replaceCertificate,
  replaceRoots,
} from './certificate-files.js';
import { EstClient, type EstTrust } from './est-client.js';
import { issuedChain } from './issued-chain.js';
import { ensurePrivateKey, publicKeyDer } from './private-key.js';
import { readSigningRequest } from './signing-request.js';

export interface EnrolOptions {
  readonly files: CertificateFiles;
  readonly deviceId: DeviceId;
  /** A whole token `SECRET.FINGERPRINT`, or only the secret when `trust` is given. */
  readonly oneTimePassword: string;
  /** Where the signer answers EST: `https://host:port`. */
  readonly url: string;
  /** DNS names and addresses that a service asks for. The profile of the signer decides. */
  readonly subjectAltNames?: readonly SubjectAltName[];
  /** Which server to trust if the token does not say. */
  readonly trust?: EstTrust;
  /** A file with the CSR to send; made if missing. If absent, an own CSR is made, and removed at the end. */
  readonly csrPath?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What is requested, and the key for it. */
interface Subject {
  readonly privateKey: KeyObject;
  readonly deviceId: DeviceId;
  readonly subjectAltNames: readonly SubjectAltName[];
}

/**
 * Gets the first certificate of an identity, or another one for the present key. It makes the key if there is none
 * (P-256, never replaced), sends a CSR by EST, checks the answer, and writes roots and certificate. The folder must
 * exist.
 *
 * If the process is killed at any point, the next call continues. The CSR is stored before the token is used, and a
 * signer returns the same certificate for the same CSR. So a crash or a broken connection never costs a token.
 *
 * @returns the new leaf
 * @throws Problem `invalid-request`: no fingerprint in the token and no `trust`; nothing was sent
 * @throws Problem `conflict`: the CSR at `csrPath` is for another key or name
 * @throws Problem `certificate-rejected`: the server is not the one the token is for, or issued something else
 * @throws Problem `credentials-invalid`, `csr-rejected`, `csr-forbidden`: the signer refused
 * @throws Problem `unavailable`, `rate-limited`: try again, after `retryAfterSeconds` if given
 */
export async function enrolIdentity(options: EnrolOptions): Promise<Certificate> {
  const { files, oneTimePassword, url, subjectAltNames = [], timeoutMs, signal } = options;
  const deviceId = canonicalDeviceId(options.deviceId);
  const trust = options.trust ?? trustFromToken(oneTimePassword);
  const password = passwordOf(oneTimePassword);
  await recoverIdentity(files);
  const privateKey = await ensurePrivateKey(files.keyPath);
  const csr = await writtenRequest(options, { privateKey, deviceId, subjectAltNames });
  const client = new EstClient({
    url,
    trust,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
  });
  // Before the token is used: an answer that cannot be checked is useless.
  const published = await publishedBy(client, trust);
  const room = await holdIdentityRoom({ certPath: files.certPath });
  const issued = await client.simpleEnroll(csr, { username: deviceId, password }).finally(() => room.release());
  const { chain, roots } = issuedChain(issued, published, {
    spki: publicKeyDer(privateKey),
    deviceId,
    now: new Date(),
  });
  if (roots.length > 0) await replaceRoots(files, roots);
  await replaceCertificate(files, privateKey, chain);
  if (options.csrPath === undefined) await removeIfPresent(pendingRequestPath(files));
  return chain[0];
}

/** The CA that a whole token names. */
export function trustFromToken(token: string): EstTrust {
  if (!token.includes('.'))
    throw new Problem(
      'invalid-request',
      'The one-time password holds no CA fingerprint, so the server could not be told from an impostor; nothing was sent. Pass the whole token, as "sallyport device enroll-token" prints it on the gateway, or the CA file (--ca FILE).',
    );
  return { caFingerprint: parseEnrolmentToken(token).caFingerprint };
}

/** The secret of a token of ours. A password of another signer is used as it is, with its dots. */
export function passwordOf(oneTimePassword: string): string {
  try {
    return parseEnrolmentToken(oneTimePassword).secret;
  } catch (error) {
    if (error instanceof Problem) return oneTimePassword;
    throw error;
  }
}

/** A cloud may have no `cacerts`. A server that we know by the fingerprint of its CA must have it. */
async function publishedBy(client: EstClient, trust: EstTrust): Promise<Certificate[]> {
  try {
    return await client.caCertificates();
  } catch (error) {
    if ('rootsPem' in trust && error instanceof Problem && error.type === 'not-found') return [];
    throw error;
  }
}

function pendingRequestPath({ certPath }: CertificateFiles): string {
  return `${certPath}.csr`;
}

/** The stored CSR of an earlier try, or of the user, if it fits. Otherwise a new one, which is stored. */
async function writtenRequest({ csrPath, files }: EnrolOptions, subject: Subject): Promise<Buffer> {
  const path = csrPath ?? pendingRequestPath(files);
  const earlier = csrPath === undefined ? await pendingRequest(path, subject) : await givenRequest(path, subject);
  if (earlier !== undefined) return earlier;
  const csr = buildCertificateRequest({
    privateKey: subject.privateKey,
    commonName: subject.deviceId,
    subjectAltNames: subject.subjectAltNames,
  });
  await writeFileAtomic(path, pemFromDer('CERTIFICATE REQUEST', csr), 0o444);
  return csr;
}

async function givenRequest(path: string, subject: Subject): Promise<Buffer | undefined> {
  const given = await readSigningRequest(path);
  if (given === undefined || fits(given, subject)) return given;
  throw new Problem(
    'conflict',
    'The certificate signing request given is for another key or another name, and was left alone. Give the path of one that fits, or a path where there is no file yet: one is made there.',
  );
}

/** A CSR of our own. If it does not fit or cannot be read, a new one replaces it. */
async function pendingRequest(path: string, subject: Subject): Promise<Buffer | undefined> {
  try {
    const pending = await readSigningRequest(path);
    return pending !== undefined && fits(pending, subject) ? pending : undefined;
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

function fits(der: Buffer, { privateKey, deviceId, subjectAltNames }: Subject): boolean {
  const csr = parseCertificateRequest(der);
  return (
    csr.spki.equals(publicKeyDer(privateKey)) &&
    csr.subject.commonNames[0] === deviceId &&
    JSON.stringify(csr.subjectAltNames) === JSON.stringify(subjectAltNames)
  );
}
