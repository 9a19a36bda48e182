import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  enrolIdentity,
  RenewalSchedule,
  readTextIfPresent,
  recoverIdentity,
  renewIdentity,
  writeFileAtomic,
} from '@sallyport/identity';
import { deviceId, type EntranceEnrolRequest, type EntranceEnrolResponse } from '@sallyport/protocol';
import { FaultLog, type ServiceContext } from '@sallyport/runtime';
import { type Certificate, certificatesFromPem, pemFromDer } from '@sallyport/x509';
import { type ServiceCertificateFiles, serviceCertificateFiles } from './entrance-settings.js';
import { fetchTrustBundle } from './trust-bundle.js';

const trustRetryMs = 2_000;

/**
 * The certificate a service enrolled for by itself: key made here, renewed from two thirds of its life on, without a
 * restart.
 */
export class ServiceIdentity {
  private readonly stopping = new AbortController();
  private schedule: RenewalSchedule | undefined;
  private catchingUp: Promise<void> | undefined;

  constructor(
    private readonly context: ServiceContext,
    private readonly onChanged: () => Promise<unknown>,
  ) {}

  /** Takes up the renewal of a certificate enrolled for in an earlier run. */
  async start(): Promise<void> {
    await recoverIdentity(this.files);
    const certificate = await this.current();
    if (certificate === undefined) return;
    this.scheduleRenewal(certificate);
    this.catchingUp = this.catchUp();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.schedule?.stop();
    await this.catchingUp;
  }

  /** @throws Problem `credentials-invalid`, `unavailable`, …: as the signer answered; an older certificate stays. */
  async enrol(request: EntranceEnrolRequest): Promise<EntranceEnrolResponse> {
    const { files } = this;
    await mkdir(dirname(files.keyPath), { recursive: true, mode: 0o700 });
    const certificate = await enrolIdentity({
      files,
      deviceId: deviceId.parse(this.context.name),
      oneTimePassword: request.oneTimePassword,
      url: request.url,
      subjectAltNames: request.subjectAltNames,
    });
    await this.refreshTrust();
    await this.schedule?.stop();
    this.scheduleRenewal(certificate);
    const { certPath, keyPath, clientCaPath } = files;
    this.context.log.info({ fingerprint: certificate.fingerprint }, 'service certificate enrolled');
    return { fingerprint: certificate.fingerprint, certPath, keyPath, caPath: clientCaPath };
  }

  /** Brings the file of client CAs up to date with the signer's trust bundle; true when it changed. */
  async refreshTrust(): Promise<boolean> {
    if ((await this.current()) === undefined) return false;
    const bundle = await fetchTrustBundle(this.context, this.stopping.signal);
    const pem = bundle.map(({ der }) => pemFromDer('CERTIFICATE', der)).join('');
    const { clientCaPath } = this.files;
    if ((await readTextIfPresent(clientCaPath)) === pem) return false;
    await writeFileAtomic(clientCaPath, pem, 0o644);
    return true;
  }

  /**
   * The bundle may have changed while this service was down, and a service enrolled by the CLI has none yet: until it has,
   * no peer of this site is known as one. The signer may start after us, so ask until it answers.
   */
  private async catchUp(): Promise<void> {
    const { log, clock } = this.context;
    const faults = new FaultLog(log, clock, 'CAs of this site not known yet, will ask the signer again');
    const { signal } = this.stopping;
    while (!signal.aborted) {
      try {
        if (await this.refreshTrust()) await this.onChanged();
        return;
      } catch (error) {
        if (!signal.aborted) faults.note(error);
        // Stopping ends the pause early.
        await delay(trustRetryMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    }
  }

  private get files(): ServiceCertificateFiles {
    return serviceCertificateFiles(this.context.settings, this.context.name);
  }

  private async current(): Promise<Certificate | undefined> {
    return certificatesFromPem((await readTextIfPresent(this.files.certPath)) ?? '')[0];
  }

  private scheduleRenewal(certificate: Certificate): void {
    const { log, clock } = this.context;
    this.schedule = new RenewalSchedule({
      certificate,
      now: () => clock.now(),
      renew: (signal) => this.renew(signal),
      onRenewed: (renewed) => log.info({ fingerprint: renewed.fingerprint }, 'service certificate renewed'),
      onFailure: (error) => log.warn({ error }, 'service certificate could not be renewed, will try again'),
    });
    this.schedule.start();
  }

  private async renew(signal: AbortSignal): Promise<Certificate> {
    const url = this.context.settings.require('pki.url');
    const renewed = await renewIdentity({ files: this.files, url, newKey: true, signal });
    await this.refreshTrust();
    await this.onChanged();
    return renewed;
  }
}
