import type { KeyObject } from 'node:crypto';
import { removeIfPresent, writeFileAtomic } from '@sallyport/files';
import { type DeviceId, Problem, parseEnrolmentToken } from '@sallyport/protocol';
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
  /** DNS names and addresses a service asks for; the issuing profile decides. */
  readonly subjectAltNames?: readonly SubjectAltName[];
  /** Whom to believe when the token does not say. */
  readonly trust?: EstTrust;
  /** A CSR to send, made there when there is none. Absent: one of our own, gone when done. */
  readonly csrPath?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What is asked for, and the key to ask with. */
interface Subject {
  readonly privateKey: KeyObject;
  readonly deviceId: DeviceId;
  readonly subjectAltNames: readonly SubjectAltName[];
}

/**
 * Gets the first certificate of an identity, or another one for the key it has: makes the key here if there is none
 * (P-256, never replaced), sends a CSR by EST, checks the answer, writes roots and certificate. The folder must exist.
 *
 * Killed at any point, the next call goes on: the CSR is written down before the token is spent, and a signer gives the
 * same certificate for the same CSR, so a token is never lost to a crash or a broken connection.
 *
 * @returns the new leaf
 * @throws Problem `invalid-request`: no fingerprint in the token and no `trust`; nothing was sent
 * @throws Problem `conflict`: the CSR at `csrPath` is for something else
 * @throws Problem `certificate-rejected`: the server is not the one the token is for, or issued something else
 * @throws Problem `credentials-invalid`, `csr-rejected`, `csr-forbidden`: the signer says no
 * @throws Problem `unavailable`, `rate-limited`: try again, after `retryAfterSeconds` if given
 */
export async function enrolIdentity(options: EnrolOptions): Promise<Certificate> {
  const { files, deviceId, oneTimePassword, url, subjectAltNames = [], timeoutMs, signal } = options;
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
  // Before the token is spent: an answer that cannot be checked would be worth nothing.
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

function trustFromToken(token: string): EstTrust {
  if (!token.includes('.'))
    throw new Problem(
      'invalid-request',
      'The one-time password holds no CA fingerprint, so the server could not be told from an impostor; nothing was sent. Pass the whole token, as "sallyport device enroll-token" prints it on the gateway, or the CA file (--ca FILE).',
    );
  return { caFingerprint: parseEnrolmentToken(token).caFingerprint };
}

/** The secret of a token of ours; the password of another signer as it is, dots included. */
function passwordOf(oneTimePassword: string): string {
  try {
    return parseEnrolmentToken(oneTimePassword).secret;
  } catch (error) {
    if (error instanceof Problem) return oneTimePassword;
    throw error;
  }
}

/** A cloud may offer no `cacerts`; a server we know by its CA's fingerprint does. */
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

/** The CSR written down by an earlier try, or by the user, when it fits; else a new one, written down. */
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

/** Of our own; what does not fit, or cannot be read, makes way for a new one. */
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
