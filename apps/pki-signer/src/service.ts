import type { ServiceDefinition } from '@sallyport/runtime';
import { renewOwnIdentity } from './own-identity.js';
import { PkiSignerModule } from './pki-signer.module.js';

/**
 * The certificate authority of a site: the only service that opens a CA key. EST over TLS on `pki.bind.*`, CRLs and CA
 * certificates over plain HTTP on `pki.public.bind.*`, administration on its Unix socket.
 */
export const pkiSigner: ServiceDefinition = {
  name: 'pki-signer',
  needs: { store: true, mqtt: true, rpc: true },
  beforeConnecting: renewOwnIdentity,
  module: () => ({ module: PkiSignerModule }),
};
