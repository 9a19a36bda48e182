import { createSecureContext, type SecureContext } from 'node:tls';
import type { CloudConnection, IdentityFiles } from './cloud-connection.js';
import { readCloudIdentity } from './cloud-identity.js';
import { readRoots, rootFiles } from './trusted-roots.js';

interface CachedContext {
  readonly signature: string;
  readonly context: SecureContext;
}

// A store of CAs has hundreds of files. OpenSSL needs tens of milliseconds for them, and a pool dials often.
const cached = new WeakMap<CloudConnection, Map<string, CachedContext>>();

/**
 * TLS terms for a cloud, from the files as they are now. They are parsed again only if one of them has changed.
 *
 * @param files undefined: the device shows no certificate
 * @throws Problem `config-invalid`: see `readCloudIdentity` and `readRoots`
 */
export async function secureContextFor(
  connection: CloudConnection,
  files: IdentityFiles | undefined,
): Promise<SecureContext> {
  const roots = await rootFiles(connection);
  const identity = files === undefined ? undefined : await readCloudIdentity(connection, files);
  const signature = JSON.stringify([
    roots.map((file) => file.signature),
    identity?.leaf.fingerprint256,
    identity?.certPem,
  ]);
  const contexts = cached.get(connection) ?? new Map<string, CachedContext>();
  cached.set(connection, contexts);
  const slot = files?.certPath ?? '';
  const known = contexts.get(slot);
  if (known?.signature === signature) return known.context;
  const { pems } = await readRoots(connection, roots);
  const context = createSecureContext({
    ca: [...pems],
    // As in thin-edge.io, each certificate of the store is an anchor: a tenant may publish only its intermediate.
    allowPartialTrustChain: true,
    minVersion: 'TLSv1.2',
    ...(identity === undefined ? {} : { cert: identity.certPem, key: identity.keyPem }),
  });
  contexts.set(slot, { signature, context });
  return context;
}
