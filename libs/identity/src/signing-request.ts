import { derFromPem } from '@sallyport/x509';
import { readTextIfPresent } from './atomic-file.js';

/**
 * The certificate signing request in a PEM file, as DER; undefined when there is none. Other tools write
 * "NEW CERTIFICATE REQUEST", and text before it.
 */
export async function readSigningRequest(path: string): Promise<Buffer | undefined> {
  const pem = await readTextIfPresent(path);
  return pem === undefined ? undefined : derFromPem(pem, /^(?:NEW )?CERTIFICATE REQUEST$/)[0];
}
