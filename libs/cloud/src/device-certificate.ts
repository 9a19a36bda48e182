import { X509Certificate } from 'node:crypto';
import { readOperatorFile } from '@sallyport/files';
import { blankUnprintable } from '@sallyport/protocol';
import { certificatePemsIn } from '@sallyport/x509';
import type { CloudConnection } from './cloud-connection.js';

/** The certificate of this device, as far as advice depends on it. */
export interface DeviceCertificate {
  readonly path: string;
  readonly isSelfSigned: boolean;
  /** Printable, one line. */
  readonly issuer: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Reads it; undefined when the device shows none, or the file has none. */
export async function deviceCertificateOf({ identity }: CloudConnection): Promise<DeviceCertificate | undefined> {
  if (identity === undefined) return undefined;
  const reading = await readOperatorFile(identity.certPath);
  if (reading.state !== 'file') return undefined;
  try {
    const leaf = new X509Certificate(certificatePemsIn(reading.text)[0] ?? '');
    return {
      path: identity.certPath,
      isSelfSigned: leaf.checkIssued(leaf) && leaf.verify(leaf.publicKey),
      issuer: nameText(leaf.issuer),
      notBefore: new Date(leaf.validFrom),
      notAfter: new Date(leaf.validTo),
    };
  } catch {
    return undefined;
  }
}

const longestName = 200;

/** A name of a certificate in one printable line. It may come from a stranger. */
export function nameText(name: string): string {
  return blankUnprintable(name.split('\n').join(', ')).slice(0, longestName);
}
