import { writeFileAtomic } from '@sallyport/files';
import { canonicalDeviceId, type DeviceId } from '@sallyport/protocol';
import { type Certificate, parseCertificateRequest } from '@sallyport/x509';
import { type CertificateFiles, certificateMode, holdIdentityRoom, pemOf, replaceRoots } from './certificate-files.js';
import { passwordOf, trustFromToken } from './enrol.js';
import { EstClient } from './est-client.js';
import { issuedChain } from './issued-chain.js';

export interface EnrolRequestOptions {
  readonly files: Omit<CertificateFiles, 'keyPath'>;
  /** PKCS#10, DER. Its key is elsewhere. */
  readonly csr: Buffer;
  readonly deviceId: DeviceId;
  /** A whole token `SECRET.FINGERPRINT`. */
  readonly oneTimePassword: string;
  /** Where the signer answers EST: `https://host:port`. */
  readonly url: string;
  readonly signal?: AbortSignal;
}

/**
 * Gets the certificate for a CSR that somebody else made, with the key that stays there. The folder must exist. The same
 * CSR and token again get the same certificate again.
 *
 * @returns the new leaf
 * @throws Problem as `enrolIdentity`
 */
export async function enrolRequest(options: EnrolRequestOptions): Promise<Certificate> {
  const { files, csr, oneTimePassword, url, signal } = options;
  const deviceId = canonicalDeviceId(options.deviceId);
  const { spki } = parseCertificateRequest(csr);
  const trust = trustFromToken(oneTimePassword);
  const client = new EstClient({ url, trust, ...(signal === undefined ? {} : { signal }) });
  const published = await client.caCertificates();
  const room = await holdIdentityRoom({ certPath: files.certPath });
  const login = { username: deviceId, password: passwordOf(oneTimePassword) };
  const issued = await client.simpleEnroll(csr, login).finally(() => room.release());
  const { chain, roots } = issuedChain(issued, published, { spki, deviceId, now: new Date() });
  await replaceRoots(files, roots);
  await writeFileAtomic(files.certPath, pemOf(chain), certificateMode);
  return chain[0];
}
