import { readTextIfPresent } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { derFromPem } from '@sallyport/x509';

/**
 * The certificate signing request in a PEM file, as DER; undefined if there is no file, or it is empty. Other tools
 * write "NEW CERTIFICATE REQUEST", with text before it.
 *
 * @throws Problem `conflict`: the file holds something else
 */
export async function readSigningRequest(path: string): Promise<Buffer | undefined> {
  const pem = await readTextIfPresent(path);
  if (pem === undefined || pem.trim() === '') return undefined;
  const [der] = derFromPem(pem, /^(?:NEW )?CERTIFICATE REQUEST$/);
  if (der !== undefined) return der;
  throw new Problem(
    'conflict',
    'The file given for the certificate signing request holds none, and was left alone. Give the path of one in PEM, or a path where there is no file yet: sallyport cert create-csr --output-path FILE makes one.',
  );
}
