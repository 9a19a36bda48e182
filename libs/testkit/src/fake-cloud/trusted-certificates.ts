import { randomBytes, verify, X509Certificate } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../run-program.js';

export interface TrustedCertificate {
  /** SHA-1 of the DER, 40 lower-case hexadecimal digits: its name in the tenant's API. */
  readonly fingerprint: string;
  readonly name: string;
  readonly pem: string;
  /** What the owner of the key signs to prove that the key is his. */
  readonly verificationCode: string;
  isProved: boolean;
}

/**
 * The trusted certificates of a tenant, as a directory that OpenSSL reads at each handshake. What is added is trusted
 * at once.
 */
export class TrustedCertificates {
  private readonly byFingerprint = new Map<string, TrustedCertificate & { readonly path: string }>();

  /** @param needsProof certificates from the API are trusted only after the proof of possession */
  constructor(
    readonly directory: string,
    private readonly needsProof: boolean,
  ) {}

  list(): readonly TrustedCertificate[] {
    return [...this.byFingerprint.values()];
  }

  find(fingerprint: string): TrustedCertificate | undefined {
    return this.byFingerprint.get(fingerprint);
  }

  /** Adds a certificate as an operator of the tenant does, who needs to prove nothing. */
  async trust(pem: string, name = 'trusted'): Promise<TrustedCertificate> {
    const added = await this.upload(pem, name);
    await this.prove(added);
    return added;
  }

  /** Adds a certificate as the API does. */
  async upload(pem: string, name: string): Promise<TrustedCertificate> {
    const hash = (await mustRun('openssl', ['x509', '-noout', '-hash'], { input: pem })).trim();
    const fingerprint = fingerprintOf(pem);
    const path = join(this.directory, `${hash}.${this.countOf(hash)}`);
    const added = { fingerprint, name, pem, path, verificationCode: randomBytes(16).toString('hex'), isProved: false };
    this.byFingerprint.set(fingerprint, added);
    if (!this.needsProof) await this.prove(added);
    return added;
  }

  /** Checks a signature of the verification code (SHA-256, base64), and trusts the certificate when it is right. */
  async takeProof(certificate: TrustedCertificate, signature: string): Promise<boolean> {
    const { publicKey } = new X509Certificate(certificate.pem);
    const code = Buffer.from(certificate.verificationCode);
    if (!verify('sha256', code, publicKey, Buffer.from(signature, 'base64'))) return false;
    await this.prove(certificate);
    return true;
  }

  /** Takes a certificate away. A running broker has read it: it forgets it when it starts again. */
  async remove(fingerprint: string): Promise<boolean> {
    const found = this.byFingerprint.get(fingerprint);
    if (found === undefined) return false;
    this.byFingerprint.delete(fingerprint);
    await rm(found.path, { force: true });
    return true;
  }

  private async prove(certificate: TrustedCertificate): Promise<void> {
    const stored = this.byFingerprint.get(certificate.fingerprint);
    if (stored === undefined) return;
    stored.isProved = true;
    await mkdir(this.directory, { recursive: true });
    await writeFile(stored.path, stored.pem);
  }

  /** Several certificates can have one subject, so one hash: OpenSSL tells them apart by a number. */
  private countOf(hash: string): number {
    return [...this.byFingerprint.values()].filter(({ path }) => path.includes(`/${hash}.`)).length;
  }
}

/** @throws Error when the text is no certificate in PEM */
export function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint.replaceAll(':', '').toLowerCase();
}
