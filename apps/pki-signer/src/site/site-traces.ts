import { join } from 'node:path';
import { exists, namesIn } from '@sallyport/files';
import type { SignerFiles } from '../signer-settings.js';

/** Suffix of the files CA keys are kept in. */
const keySuffix = '.key.pem';

/** What a signer leaves on disk, in words. If there is any of it, this is not a first start. */
export async function siteTraces(files: SignerFiles): Promise<string[]> {
  const traces = [
    { name: 'CA keys (pki/keys in the data directory)', isThere: await hasKeys(files.keyDirectory) },
    { name: 'their passphrase (pki/key-passphrase)', isThere: await exists(files.passphraseFile) },
    { name: 'the secret of one-time tokens (pki/token-pepper)', isThere: await exists(files.pepperFile) },
    { name: "the signer's certificate (pki/server-identity.pem)", isThere: await exists(files.serverIdentityFile) },
    { name: 'certificates of services (service-certs)', isThere: await hasCertificates(files.serviceCertificates) },
  ];
  return traces.filter(({ isThere }) => isThere).map(({ name }) => name);
}

async function hasKeys(directory: string): Promise<boolean> {
  return (await namesIn(directory)).some((name) => name.endsWith(keySuffix));
}

/** Whether a service on this machine has a certificate from the signer of a site. */
async function hasCertificates(directory: string): Promise<boolean> {
  const services = await namesIn(directory);
  const found = await Promise.all(services.map((service) => exists(join(directory, service, 'certificate.pem'))));
  return found.includes(true);
}
