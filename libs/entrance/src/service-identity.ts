import { dirname } from 'node:path';
import { backOffMs, pause, SerialQueue } from '@sallyport/concurrency';
import { makeFolder, readTextIfPresent, writeFileAtomic } from '@sallyport/files';
import { enrolIdentity, RenewalSchedule, recoverIdentity, renewIdentity, replaceRoots } from '@sallyport/identity';
import { deviceId, type EntranceEnrolRequest, type EntranceEnrolResponse } from '@sallyport/protocol';
import { type ConnectedContext, FaultLog } from '@sallyport/runtime';
import { type Certificate, certificatesFromPem, isSelfIssued, pemFromDer } from '@sallyport/x509';
import { type ServiceCertificateFiles, serviceCertificateFiles } from './entrance-settings.js';
import { fetchTrustBundle } from './trust-bundle.js';

// When a reload fails, a person has to mend the settings, and each try reads every file. So retry seldom.
const retry = { firstMs: 2_000, longestMs: 30_000 };

/**
 * The certificate that a service enrolled for by itself. Its key is made here. It is renewed after two thirds of its
 * life, without a restart.
 */
export class ServiceIdentity {
  private readonly stopping = new AbortController();
  private readonly faults: FaultLog;
  private schedule: RenewalSchedule | undefined;
  private catchingUp: Promise<void> | undefined;
  // In order: an earlier answer of the signer must not be written later.
  private readonly refreshes = new SerialQueue();
  private isBehind = false;
  // Whether files of this service have changed since the entrances last read them.
  private isReloadDue = false;

  /** @param reloadEntrances makes the entrances read the files again; rejects when they cannot use them now */
  constructor(
    private readonly context: ConnectedContext,
    private readonly reloadEntrances: () => Promise<unknown>,
  ) {
    this.faults = new FaultLog(context.log, context.clock, 'certificates of this site not up to date, will try again');
  }

  /** Continues to renew a certificate from an earlier run. */
  async start(): Promise<void> {
    await recoverIdentity(this.files);
    const certificate = await this.current();
    if (certificate === undefined) return;
    this.scheduleRenewal(certificate);
    this.keepUp();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.schedule?.stop();
    await this.catchingUp;
  }

  /** @throws Problem `credentials-invalid`, `unavailable`, …: as the signer answered; an older certificate stays. */
  async enrol(request: EntranceEnrolRequest): Promise<EntranceEnrolResponse> {
    const { files } = this;
    await makeFolder(dirname(files.keyPath), 0o700);
    const certificate = await enrolIdentity({
      files,
      deviceId: deviceId.parse(this.context.name),
      oneTimePassword: request.oneTimePassword,
      url: request.url,
      subjectAltNames: request.subjectAltNames,
    });
    await this.schedule?.stop();
    this.scheduleRenewal(certificate);
    await this.refreshTrust();
    const { certPath, keyPath, clientCaDirectory } = files;
    this.context.log.info({ fingerprint: certificate.fingerprint }, 'service certificate enrolled');
    return { fingerprint: certificate.fingerprint, certPath, keyPath, caPath: clientCaDirectory };
  }

  /**
   * Fetches the signer's trust bundle and makes the entrances use it, in the background. The signer may start later
   * than we do, and the settings may be broken for a while, so it retries until it is done.
   */
  keepUp(): void {
    this.isBehind = true;
    this.catchingUp ??= this.catchUp();
  }

  /** Makes the entrances judge their certificates and CAs by the time as it is now. */
  judgeAgain(): void {
    this.isReloadDue = true;
    this.keepUp();
  }

  private async catchUp(): Promise<void> {
    const { signal } = this.stopping;
    let failures = 0;
    while (this.isBehind && !signal.aborted) {
      this.isBehind = false;
      try {
        // Files that are on disk already need not wait for the signer.
        await this.reloadIfDue();
        await this.refreshTrust();
        await this.reloadIfDue();
      } catch (error) {
        this.isBehind = true;
        if (!signal.aborted) this.faults.note(error);
        failures += 1;
        await pause(backOffMs(failures, retry), { signal, ref: false });
      }
    }
    // At once after the last look at `isBehind`. A call of `keepUp` in between would be forgotten.
    this.catchingUp = undefined;
  }

  private async reloadIfDue(): Promise<void> {
    if (!this.isReloadDue) return;
    // Before the reload, not after: the files may change again while the entrances read them.
    this.isReloadDue = false;
    try {
      await this.reloadEntrances();
    } catch (error) {
      this.isReloadDue = true;
      throw error;
    }
  }

  private refreshTrust(): Promise<void> {
    return this.refreshes.run(() => this.fetchTrust());
  }

  private async fetchTrust(): Promise<void> {
    if ((await this.current()) === undefined) return;
    const bundle = await fetchTrustBundle(this.context, this.stopping.signal);
    const pem = bundle.map(({ der }) => pemFromDer('CERTIFICATE', der)).join('');
    const { clientCaDirectory, clientCaPath, formerClientCaPath } = this.files;
    // A new root is known here before a server shows it, and not only after our next renewal.
    await replaceRoots(this.files, bundle.filter(isSelfIssued));
    await makeFolder(clientCaDirectory, 0o755);
    await this.writeTrust(clientCaPath, pem, await readTextIfPresent(clientCaPath));
    const former = await readTextIfPresent(formerClientCaPath);
    if (former !== undefined) await this.writeTrust(formerClientCaPath, pem, former);
  }

  private async writeTrust(path: string, pem: string, present: string | undefined): Promise<void> {
    if (present === pem) return;
    await writeFileAtomic(path, pem, 0o644);
    this.isReloadDue = true;
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
    this.isReloadDue = true;
    // Log this failure, do not throw it. The renewal is done, and repeating it would waste certificates.
    await this.reloadIfDue().catch(this.faults.note);
    this.keepUp();
    return renewed;
  }
}
