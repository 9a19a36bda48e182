import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import {
  type CertificateFiles,
  enrolIdentity,
  isNextQuestionTooLate,
  needsRenewal,
  readIdentity,
  renewIdentity,
} from '@sallyport/identity';
import { deviceId } from '@sallyport/protocol';
import { type Certificate, certificatesFromPem } from '@sallyport/x509';
import type { DeviceSpec, FleetSite, WakeReport } from './messages.js';

const timeoutMs = 10_000;

/** A device made with the client library for certificates. It keeps nothing in memory, as if it started each time. */
export abstract class FleetDevice {
  constructor(
    protected readonly spec: DeviceSpec,
    protected readonly site: FleetSite,
  ) {}

  /** Enrols: once, before the first `wake`. */
  async begin(): Promise<void> {
    const { name, secret } = this.spec;
    await enrolIdentity({
      files: this.files,
      deviceId: deviceId.parse(name),
      oneTimePassword: secret,
      url: this.estUrl,
    });
  }

  /** Renews when that is due, and sends its data. Never rejects. */
  async wake(): Promise<WakeReport> {
    const renewal = await this.renewIfDue();
    const refused = await told(() => this.sendData());
    const { notAfter } = await this.certificate();
    return {
      name: this.spec.name,
      notAfter: notAfter.toISOString(),
      hasEnded: notAfter < new Date(),
      ...(renewal === undefined ? {} : { renewal }),
      ...(refused === undefined ? {} : { refused }),
    };
  }

  /** @throws Error: the site did not take them */
  protected abstract sendData(): Promise<void>;

  protected get files(): CertificateFiles {
    const file = (name: string) => join(this.spec.directory, name);
    return { certPath: file('identity.pem'), keyPath: file('identity.key'), caPath: file('ca.pem') };
  }

  protected get estUrl(): string {
    return `https://localhost:${this.site.pki}`;
  }

  /** Shows its certificate, and trusts its `ca.pem`. */
  protected async tls(): Promise<ConnectionOptions & { readonly localAddress: string }> {
    const { certPath, keyPath, caPath } = this.files;
    const [cert, key, ca] = await Promise.all([certPath, keyPath, caPath].map((path) => readFile(path, 'utf8')));
    return { cert, key, ca: [ca ?? ''], servername: 'localhost', localAddress: this.spec.address };
  }

  protected async certificate(): Promise<Certificate> {
    const [leaf] = certificatesFromPem(await readFile(this.files.certPath, 'utf8'));
    if (leaf === undefined) throw new Error(`${this.spec.name} has no certificate.`);
    return leaf;
  }

  protected async renew(): Promise<void> {
    await readIdentity(this.files);
    await renewIdentity({ files: this.files, url: this.estUrl, newKey: true, timeoutMs });
  }

  private async renewIfDue(): Promise<string | undefined> {
    if (!(await this.isRenewalDue())) return undefined;
    return (await told(() => this.renew())) ?? 'done';
  }

  protected async isRenewalDue(): Promise<boolean> {
    const [certificate, now] = [await this.certificate(), new Date()];
    const isTooLate = await isNextQuestionTooLate(this.files.certPath, certificate, now);
    return isTooLate || needsRenewal(certificate, now);
  }
}

async function told(act: () => Promise<void>): Promise<string | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return error instanceof Error ? `${error.message}${causeOf(error)}` : String(error);
  }
}

function causeOf({ cause }: Error): string {
  return cause instanceof Error ? ` (${cause.message})` : '';
}
