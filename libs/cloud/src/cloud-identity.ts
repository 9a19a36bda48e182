import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readOperatorFile } from '@sallyport/files';
import { Problem } from '@sallyport/protocol';
import { certificatePemsIn, isEncryptedKey, isPrivateKey, pemParts } from '@sallyport/x509';
import type { CloudConnection, IdentityFiles } from './cloud-connection.js';

/** What a device shows to a cloud. */
export interface CloudIdentity {
  /** Leaf first, then intermediates. */
  readonly certPem: string;
  readonly keyPem: string;
  readonly leaf: X509Certificate;
}

/**
 * Reads certificate and key, and checks that they pair, so that nothing is dialled with a pair that no server accepts.
 *
 * @throws Problem `config-invalid`: a file is missing or holds something else, or the two do not pair. Names both files
 *   and their settings.
 */
export async function readCloudIdentity(connection: CloudConnection, files: IdentityFiles): Promise<CloudIdentity> {
  const { settingNames } = connection;
  const certPem = await certificatesAt(connection, files.certPath);
  const { pem: keyPem, key } = await keyAt(connection, files.keyPath);
  const leaf = leafOf(certPem, `${settingNames.certPath}: ${files.certPath}`);
  if (leaf.checkPrivateKey(key)) return { certPem, keyPem, leaf };
  throw fault(
    'key-mismatch',
    `The private key in ${files.keyPath} (${settingNames.keyPath}) does not belong to the certificate in ${files.certPath} (${settingNames.certPath}). Put the key of that certificate there, or get a certificate for the key: ${commandForCertificate(connection)}`,
  );
}

/** How this device gets a certificate for this cloud. */
export function commandForCertificate({ kind, profile }: Pick<CloudConnection, 'kind' | 'profile'>): string {
  if (kind !== 'c8y') return 'tedge cert create';
  return `tedge cert download c8y${profile === undefined ? '' : ` --profile ${profile}`}`;
}

async function certificatesAt(connection: CloudConnection, path: string): Promise<string> {
  const reading = await readOperatorFile(path);
  const name = connection.settingNames.certPath;
  const remedy = `Get one: ${commandForCertificate(connection)}`;
  if (reading.state === 'missing')
    throw fault('device-certificate-missing', `There is no certificate at ${path} (${name}). ${remedy}`);
  if (reading.state !== 'file')
    throw fault('device-certificate-missing', `${name}: ${path} ${reading.fault}. ${remedy}`);
  const certificates = certificatePemsIn(reading.text);
  if (certificates.length > 0) return certificates.join('');
  throw fault('device-certificate-missing', `${name}: ${path} holds no certificate in PEM. ${remedy}`);
}

function leafOf(certPem: string, place: string): X509Certificate {
  try {
    return new X509Certificate(certPem);
  } catch (cause) {
    throw fault(
      'device-certificate-missing',
      `${place} holds a certificate that cannot be read. Restore the file, or get a new certificate.`,
      cause,
    );
  }
}

async function keyAt({ settingNames }: CloudConnection, path: string): Promise<{ pem: string; key: KeyObject }> {
  const name = settingNames.keyPath;
  const reading = await readOperatorFile(path);
  if (reading.state === 'missing')
    throw fault('key-missing', `There is no private key at ${path} (${name}). Put the key of the certificate there.`);
  if (reading.state !== 'file')
    throw fault('key-missing', `${name}: ${path} ${reading.fault}. The service must be able to read it.`);
  const block = pemParts(reading.text).find(isPrivateKey);
  if (block === undefined)
    throw fault('key-missing', `${name}: ${path} holds no private key in PEM. Name the file with the private key.`);
  if (isEncryptedKey(block))
    throw fault(
      'key-missing',
      `${name}: ${path} holds an encrypted private key, and nobody is there to type its passphrase. Decrypt it with: openssl pkey -in OLD -out NEW`,
    );
  try {
    return { pem: block.text, key: createPrivateKey(block.text) };
  } catch {
    // The cause could quote the key.
    throw fault(
      'key-missing',
      `${name}: ${path} holds a private key that cannot be read. It must be PEM (PKCS#8, PKCS#1 or SEC1).`,
    );
  }
}

function fault(code: string, text: string, cause?: unknown): Problem {
  return new Problem('config-invalid', text, { cause, extensions: { code } });
}
