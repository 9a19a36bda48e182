import { join } from 'node:path';
import type { CertificateFiles } from './certificate-files.js';

/** Folder of each identity a machine has besides those of its device and its services, in the configuration directory. */
const folders = { client: 'client-certs', administrator: 'admin-certs' } as const;

/** Who shows the certificate: the programs of this machine to its listeners, or its operator to the admin API. */
export type LocalIdentityName = keyof typeof folders;

/** Where the certificate of such an identity lies. */
export function localIdentityFiles(configDirectory: string, name: LocalIdentityName): CertificateFiles {
  const folder = join(configDirectory, folders[name]);
  return {
    certPath: join(folder, 'certificate.pem'),
    keyPath: join(folder, 'private-key.pem'),
    caPath: join(folder, 'ca.pem'),
  };
}
