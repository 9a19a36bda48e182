import { outdatedIdentity } from '@sallyport/entrance';
import { type CertificateFiles, newPrivateKey, readIdentity, replacePair } from '@sallyport/identity';
import { deviceId, Problem } from '@sallyport/protocol';
import type { ServiceContext } from '@sallyport/runtime';
import type { Store } from '@sallyport/store';
import { buildCertificateRequest, parseCertificate } from '@sallyport/x509';
import { Registry } from 'prom-client';
import { issuedCertificates } from './est/est-certificates.js';
import { RegistryGate } from './issuance/registry-gate.js';
import { openSigner, type Signer } from './signer.js';
import { signerSettings } from './signer-settings.js';

/**
 * Renews the certificate that the signer shows to the broker, when the signer was off for longer than it was valid. All
 * other services wait for the signer then, so it asks nobody: what the registry announced earlier decides.
 */
export async function renewOwnIdentity(context: ServiceContext, store: Store | undefined): Promise<void> {
  const files = await outdatedIdentity(context);
  if (files === undefined || store === undefined) return;
  const { clock, log, settings } = context;
  try {
    const registry = new RegistryGate(() => Promise.reject(new Error('the broker is not connected yet')));
    const metricsRegistry = new Registry();
    const signer = await openSigner({
      store,
      clock,
      log,
      registry,
      metricsRegistry,
      settings: signerSettings(settings),
    });
    // A CA that ended meanwhile is replaced before it is asked to sign.
    await signer.rotation.advance();
    await renew(signer, files);
    log.info({}, 'service certificate had ended and was renewed');
  } catch (error) {
    if (!(error instanceof Problem) || error.type !== 'forbidden') throw error;
    log.warn({ error }, 'service certificate has ended and cannot be renewed');
  }
}

async function renew(signer: Signer, files: CertificateFiles): Promise<void> {
  const identity = await readIdentity(files);
  if (identity === undefined) return;
  const [{ fingerprint, subject }] = identity.certificates;
  const privateKey = await newPrivateKey();
  const record = await signer.renewal.renew({
    fingerprint,
    deviceId: deviceId.parse('pki-signer'),
    csr: buildCertificateRequest({ privateKey, subject }),
    channelBindings: () => [],
    remoteAddress: '127.0.0.1',
    profile: 'service',
  });
  await replacePair(files, privateKey, issuedCertificates(signer.hierarchy, record).map(parseCertificate));
}
