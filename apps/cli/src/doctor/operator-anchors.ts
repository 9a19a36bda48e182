import type { Settings } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';
import { readTrustAnchors } from '@sallyport/tls';
import { pemFromDer } from '@sallyport/x509';
import { readPemFile } from '../site/pem-file.js';
import type { PathKey } from '../site/secured-group.js';

/**
 * CAs that clients of an operator's own certificate may trust, as far as this machine knows them, in PEM: those of the
 * listener and of its local clients, and the last certificate of its own file when that is a CA.
 */
export async function operatorAnchors(
  settings: Settings,
  keys: { readonly cert: PathKey; readonly ca?: PathKey },
): Promise<string[]> {
  const files = [
    keys.ca === undefined ? undefined : settings.get(keys.ca),
    settings.get('mqtt.client.auth.ca_file'),
  ].filter((path) => path !== undefined);
  const trusted = await Promise.all(files.map(anchorsIn));
  const certPath = settings.get(keys.cert);
  const [last] = certPath === undefined ? [] : (await readPemFile(certPath)).certificates.toReversed();
  const top = last?.isCa === true ? [pemFromDer('CERTIFICATE', last.der)] : [];
  return [...trusted.flat(), ...top];
}

async function anchorsIn(path: string): Promise<string[]> {
  try {
    return (await readTrustAnchors(path)).certificates.map(({ der }) => pemFromDer('CERTIFICATE', der));
  } catch (fault) {
    // Other checks tell of a file that cannot be used.
    if (fault instanceof Problem) return [];
    throw fault;
  }
}
