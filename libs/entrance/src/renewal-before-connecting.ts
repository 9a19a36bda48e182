import { backOffMs, pause } from '@sallyport/concurrency';
import { readTextIfPresent } from '@sallyport/files';
import { recoverIdentity, renewIdentity } from '@sallyport/identity';
import { Problem } from '@sallyport/protocol';
import { FaultLog, type ServiceContext } from '@sallyport/runtime';
import { certificatesFromPem, isValidAt } from '@sallyport/x509';
import { type ServiceCertificateFiles, serviceCertificateFiles } from './entrance-settings.js';

const retry = { firstMs: 2_000, longestMs: 30_000 };

/**
 * The files of a service's own certificate, if the broker would refuse it: it has ended, or is not valid yet. Undefined
 * when the service shows the broker no certificate of its own.
 */
export async function outdatedIdentity({
  settings,
  name,
  clock,
}: Pick<ServiceContext, 'settings' | 'name' | 'clock'>): Promise<ServiceCertificateFiles | undefined> {
  const isShown =
    settings.get('mqtt.broker.url')?.startsWith('mqtts:') === true &&
    settings.get('mqtt.broker.cert_file') === undefined;
  if (!isShown) return undefined;
  const files = serviceCertificateFiles(settings, name);
  await recoverIdentity(files);
  const [leaf] = certificatesFromPem((await readTextIfPresent(files.certPath)) ?? '');
  return leaf === undefined || isValidAt(leaf, clock.now()) ? undefined : files;
}

/**
 * Renews the certificate that a service shows to the broker, when the service was off for longer than it was valid. EST is
 * reached without the broker. Waits for the signer, because the service can do nothing without the broker.
 */
export async function renewBeforeConnecting(context: ServiceContext): Promise<void> {
  const { log, clock, settings, signal } = context;
  const faults = new FaultLog(log, clock, 'service certificate has ended and could not be renewed, will try again');
  for (let failures = 1; !signal.aborted; failures += 1) {
    // Each time, because the clock may have been set right meanwhile.
    const files = await outdatedIdentity(context);
    if (files === undefined) return;
    try {
      const { fingerprint } = await renewIdentity({ files, url: settings.require('pki.url'), newKey: true, signal });
      log.info({ fingerprint }, 'service certificate had ended and was renewed');
      return;
    } catch (error) {
      if (isFinal(error)) {
        log.warn({ error }, 'service certificate has ended and cannot be renewed');
        return;
      }
      faults.note(error);
    }
    await pause(backOffMs(failures, retry), { signal });
  }
}

/** The signer has said no, or there is nothing to renew with. The connection to the broker fails then, and it says why. */
const finalProblems: ReadonlySet<string> = new Set([
  'config-invalid',
  'credentials-invalid',
  'csr-forbidden',
  'csr-rejected',
  'not-found',
]);

function isFinal(error: unknown): boolean {
  return error instanceof Problem && finalProblems.has(error.type);
}
