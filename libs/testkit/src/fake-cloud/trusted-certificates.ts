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
 * The trusted certificates of a tenant, as a directory that OpenSSL looks into when it meets a name for the first time.
 * A second certificate with a name, and one that is taken away, need a fresh start of the servers: `onStale`.
 */
export class TrustedCertificates {
  /** Called when servers that run have read something that is no longer so. */
  onStale: () => Promise<void> = () => Promise.resolve();
  private readonly byFingerprint = new Map<string, TrustedCertificate & { readonly hash: string }>();

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
    const added = { fingerprint, name, pem, hash, verificationCode: randomBytes(16).toString('hex'), isProved: false };
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

  /** Takes a certificate away. It is not trusted any more. */
  async remove(fingerprint: string): Promise<boolean> {
    if (!this.byFingerprint.delete(fingerprint)) return false;
    await this.write();
    await this.onStale();
    return true;
  }

  private async prove(certificate: TrustedCertificate): Promise<void> {
    const stored = this.byFingerprint.get(certificate.fingerprint);
    if (stored === undefined) return;
    stored.isProved = true;
    await this.write();
    const namesakes = [...this.byFingerprint.values()].filter(({ hash, isProved }) => isProved && hash === stored.hash);
    if (namesakes.length > 1) await this.onStale();
  }

  /**
   * OpenSSL finds certificates with one subject, so one hash, by numbers without a gap. Where they have no key
   * identifiers, as those of thin-edge.io, it only knows the first: so the newest is first.
   */
  private async write(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
    await mkdir(this.directory, { recursive: true });
    const countByHash = new Map<string, number>();
    for (const { hash, pem, isProved } of [...this.byFingerprint.values()].reverse()) {
      if (!isProved) continue;
      const number = countByHash.get(hash) ?? 0;
      countByHash.set(hash, number + 1);
      await writeFile(join(this.directory, `${hash}.${number}`), pem);
    }
  }
}

/** @throws Error when the text is no certificate in PEM */
export function fingerprintOf(pem: string): string {
  return new X509Certificate(pem).fingerprint.replaceAll(':', '').toLowerCase();
}
