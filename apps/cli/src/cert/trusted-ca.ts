import { type KeyObject, sign } from 'node:crypto';
import type { Settings } from '@sallyport/config';
import { signerRoutes } from '@sallyport/protocol';
import { type Certificate, certificatesFromPem, isCertificateOf } from '@sallyport/x509';
import { adminClientFor } from '../admin/admin-clients.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { absolutePath, type GlobalOptions } from '../options.js';
import { readPemFile } from '../site/pem-file.js';

/** A CA for a tenant to trust, and who can sign with its key. */
export interface TrustedCa {
  readonly certificate: Certificate;
  /** Signs a verification code: SHA-256, base64. Undefined: the key is not at hand. */
  readonly signCode: ((code: string) => Promise<string>) | undefined;
}

export interface CaOptions extends GlobalOptions {
  /** `site`, or a file. */
  readonly ca: string;
  readonly caKey?: string | undefined;
}

/**
 * The CA of this site that issues the certificates of devices, whose key its signer holds; or that of a file, with the
 * key in another one.
 *
 * @throws Failure: there is no such file, it holds no CA, or the key is not its key
 */
export function trustedCa(context: CliContext, settings: Settings, given: CaOptions): Promise<TrustedCa> {
  return given.ca === 'site' ? siteCa(context, settings, given) : fileCa(context, given);
}

async function siteCa(context: CliContext, settings: Settings, options: GlobalOptions): Promise<TrustedCa> {
  const signer = await adminClientFor('pki-signer', settings, { context, options });
  const { authorities } = await signer.call(signerRoutes.showHierarchy);
  const active = authorities.find(({ purpose, state, hasKey }) => purpose === 'device' && state === 'active' && hasKey);
  if (active === undefined)
    throw new Failure('This site has no active CA for devices.', 'Look at its CAs: sallyport ca show');
  const { certificates } = await signer.call(signerRoutes.exportAuthority, { body: { id: active.id } });
  const [certificate] = certificatesFromPem(certificates);
  if (certificate === undefined) throw new Error(`the signer exported CA "${active.id}" without a certificate`);
  const { id } = active;
  const signCode = async (code: string) =>
    (await signer.call(signerRoutes.proveAuthority, { body: { id, code } })).signature;
  return { certificate, signCode };
}

async function fileCa(context: CliContext, { ca, caKey }: CaOptions): Promise<TrustedCa> {
  const path = absolutePath(context, ca);
  const { certificates, description } = await readPemFile(path);
  const [certificate] = certificates;
  if (certificate?.isCa !== true)
    throw new Failure(
      `${path} holds ${description}, and no CA certificate comes first in it.`,
      'Name the file of the CA that issued the certificate of this device (--ca FILE), or use that of this site (--ca site).',
    );
  if (caKey === undefined) return { certificate, signCode: undefined };
  const { privateKey, description: found } = await readPemFile(absolutePath(context, caKey));
  if (privateKey === undefined || !isCertificateOf(privateKey, certificate))
    throw new Failure(
      `${absolutePath(context, caKey)} does not hold the private key of ${path}, but ${found}.`,
      'Check the path given with --ca-key.',
    );
  return { certificate, signCode: async (code) => signatureOf(code, privateKey) };
}

function signatureOf(code: string, privateKey: KeyObject): string {
  return sign('sha256', Buffer.from(code, 'utf8'), privateKey).toString('base64');
}
