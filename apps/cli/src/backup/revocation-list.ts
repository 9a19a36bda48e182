import { readFile } from 'node:fs/promises';
import { codeOrMessage } from '@sallyport/files';
import { derFromPem, parseCrl } from '@sallyport/x509';
import { Failure } from '../failure.js';

/** Guards a CRL that the signer is to take in. @throws Failure: it cannot be read, or is no CRL */
export async function readRevocationList(path: string): Promise<void> {
  try {
    const bytes = await readFile(path);
    const isPem = bytes.includes('-----BEGIN');
    for (const der of isPem ? derFromPem(bytes.toString('latin1'), 'X509 CRL') : [bytes]) parseCrl(der);
  } catch (cause) {
    throw new Failure(
      `${path} is no CRL that can be read (${codeOrMessage(cause)}).`,
      'Name a file in PEM or DER, such as one that was fetched from the address in a certificate.',
      { cause },
    );
  }
}
