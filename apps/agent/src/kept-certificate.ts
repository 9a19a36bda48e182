import { hasCode, readTextIfPresent } from '@sallyport/files';
import {
  type CertificateFiles,
  type LocalIdentityName,
  localIdentityFiles,
  RenewalSchedule,
  readIdentity,
  renewIdentity,
} from '@sallyport/identity';
import { Problem } from '@sallyport/protocol';
import type { ServiceContext } from '@sallyport/runtime';
import { type Certificate, certificatesFromPem } from '@sallyport/x509';

/** A certificate that another program stored on disk. We renew it as long as it is there. */
export class KeptCertificate {
  private readonly files: CertificateFiles;
  private certificate: Certificate | undefined;
  private schedule: RenewalSchedule | undefined;
  private isRenewing = false;
  private complaint: string | undefined;

  constructor(
    private readonly context: ServiceContext,
    private readonly name: LocalIdentityName,
  ) {
    this.files = localIdentityFiles(context.settings.stateDirectory, name);
  }

  /**
   * Reads the files again. Notices a certificate that is new, was replaced or was removed. If the files cannot be used,
   * this is logged once, and the certificate that we knew before stays in use.
   */
  async look(): Promise<void> {
    const { certificate: known } = this;
    try {
      const found = await this.find();
      this.complaint = undefined;
      // A renewal changes the files too, and logs this itself.
      if (this.isRenewing || this.certificate !== known || found?.fingerprint === known?.fingerprint) return;
      await this.takeUp(found);
    } catch (error) {
      this.complainAbout(error);
    }
  }

  /** Stops waiting for the next renewal, and stops a running renewal. */
  async stop(): Promise<void> {
    await this.schedule?.stop();
  }

  /** Reads the pair only if the certificate is a new one. If a writer died, this also repairs the pair. */
  private async find(): Promise<Certificate | undefined> {
    const pem = await readTextIfPresent(this.files.certPath);
    if (pem === undefined) return undefined;
    const [leaf] = certificatesFromPem(pem);
    if (this.isRenewing || (leaf !== undefined && leaf.fingerprint === this.certificate?.fingerprint)) return leaf;
    return (await readIdentity(this.files))?.certificates[0];
  }

  private async takeUp(certificate: Certificate | undefined): Promise<void> {
    const { schedule: former } = this;
    this.certificate = certificate;
    this.schedule = certificate && this.scheduleFor(certificate);
    this.schedule?.start();
    await former?.stop();
    const fields = certificate === undefined ? { identity: this.name } : this.fieldsOf(certificate);
    this.context.log.info(
      fields,
      certificate === undefined ? 'local certificate gone, no longer renewed' : 'local certificate found, kept renewed',
    );
  }

  private scheduleFor(certificate: Certificate): RenewalSchedule {
    const { log, clock } = this.context;
    return new RenewalSchedule({
      certificate,
      now: () => clock.now(),
      renew: (signal) => this.renew(signal),
      onRenewed: (renewed) => log.info(this.fieldsOf(renewed), 'local certificate renewed'),
      onFailure: (error, retryInMs) =>
        log.warn(
          { identity: this.name, error, retryInSeconds: Math.round(retryInMs / 1000) },
          'local certificate could not be renewed, will try again',
        ),
    });
  }

  private async renew(signal: AbortSignal): Promise<Certificate> {
    const url = this.context.settings.require('pki.url');
    this.isRenewing = true;
    try {
      this.certificate = await renewIdentity({ files: this.files, url, newKey: true, signal });
      return this.certificate;
    } finally {
      this.isRenewing = false;
    }
  }

  private fieldsOf({ fingerprint, notAfter }: Certificate) {
    return { identity: this.name, fingerprint, notAfter };
  }

  private complainAbout(error: unknown): void {
    const complaint = complaintOf(error);
    if (complaint === this.complaint) return;
    this.complaint = complaint;
    this.context.log.warn(
      { identity: this.name, reason: complaint },
      'local certificate cannot be used, will not be renewed',
    );
  }
}

/** Describes the error. The same error always gets the same text, so it is logged only once. */
function complaintOf(error: unknown): string {
  if (error instanceof Problem || !(error instanceof Error)) return String(error);
  return hasCode(error, 'EACCES')
    ? `${error.message}; files and folder must belong to the user this service runs as`
    : error.message;
}
