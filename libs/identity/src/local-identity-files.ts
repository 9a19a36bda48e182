import { join } from 'node:path';
import { statePlaces } from '@sallyport/protocol';
import type { CertificateFiles } from './certificate-files.js';

/** Who shows the certificate: the programs of this machine to its listeners, or its operator to the admin API. */
export type LocalIdentityName = 'client' | 'administrator';

/** Where the certificate of such an identity lies. */
export function localIdentityFiles(stateDirectory: string, name: LocalIdentityName): CertificateFiles {
  const folder = statePlaces(stateDirectory).folderOf(name);
  return {
    certPath: join(folder, 'certificate.pem'),
    keyPath: join(folder, 'private-key.pem'),
    caPath: join(folder, 'ca.pem'),
  };
}
