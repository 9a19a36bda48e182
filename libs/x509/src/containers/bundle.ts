import { createPrivateKey, type KeyObject } from 'node:crypto';
import { Problem } from '@sallyport/protocol';
import { type Certificate, parseCertificate } from '../certificate.js';
import { certificatesFromPem, type PemBlock, pemBlocks } from '../pem.js';
import { ownCertificateFirst } from './key-bundle.js';
import { importPkcs12 } from './pkcs12-import.js';

/** The content of a file from another program. */
export interface Bundle {
  readonly privateKey?: KeyObject;
  /** The certificate of the key first, if there is one; the others in their original order. */
  readonly certificates: Certificate[];
}

/**
 * Reads a file from another program in any of these formats: PEM with certificates and at most one key (PKCS #8,
 * encrypted or not, or the older EC and RSA forms), PKCS #12, or one certificate in DER.
 *
 * @param password  for encrypted keys and PKCS #12.
 * @throws Problem `invalid-request`: the password is missing or wrong, or the file has none of these formats.
 * @throws Problem `certificate-rejected`: a certificate in it is malformed.
 */
export function importBundle(content: Buffer, password?: string): Bundle {
  if (content.includes('-----BEGIN ')) return importPem(content.toString('latin1'), password);
  if (isPkcs12(content)) {
    if (password !== undefined) return importPkcs12(content, password);
    throw new Problem('invalid-request', 'The file is PKCS #12, which is encrypted. Give its password.');
  }
  if (content[0] === 0x30) return { certificates: [parseCertificate(content)] };
  throw new Problem('invalid-request', 'The file is neither PEM, nor PKCS #12, nor a certificate in DER.');
}

/** A PFX begins with its version, 3; a certificate begins with another SEQUENCE. */
function isPkcs12(content: Buffer): boolean {
  return content[0] === 0x30 && content.subarray(2, 8).includes(Buffer.of(0x02, 0x01, 0x03));
}

const keyLabel = /^(?:(?:EC|RSA|ENCRYPTED) )?PRIVATE KEY$/;

function importPem(text: string, password: string | undefined): Bundle {
  const certificates = certificatesFromPem(text);
  const [keyBlock, ...others] = pemBlocks(text).filter(({ label }) => keyLabel.test(label));
  if (others.length > 0)
    throw new Problem(
      'invalid-request',
      `The file holds ${others.length + 1} private keys. Keep only one, and remove the others.`,
    );
  if (keyBlock !== undefined) {
    const privateKey = readPrivateKey(keyBlock, password);
    return { privateKey, certificates: ownCertificateFirst(privateKey, certificates) };
  }
  if (certificates.length === 0)
    throw new Problem('invalid-request', 'The PEM file holds neither a certificate nor a private key.');
  return { certificates };
}

function readPrivateKey({ label, text }: PemBlock, password: string | undefined): KeyObject {
  const isEncrypted = label === 'ENCRYPTED PRIVATE KEY' || text.includes('Proc-Type: 4,ENCRYPTED');
  if (isEncrypted && password === undefined)
    throw new Problem('invalid-request', 'The private key is encrypted. Give its password.');
  try {
    return createPrivateKey(isEncrypted && password !== undefined ? { key: text, passphrase: password } : text);
  } catch (cause) {
    const reason = isEncrypted ? 'The password does not open the private key' : 'The private key cannot be read';
    throw new Problem('invalid-request', `${reason}, or the file is damaged.`, { cause });
  }
}
