import type { Settings } from '@sallyport/config';
import { type Certificate, verifySignedBy } from '@sallyport/x509';
import { Failure } from '../failure.js';
import { localClient } from '../secure/local-identity.js';
import { readPemFile } from '../site/pem-file.js';
import { leadsTo } from '../site/trusted-roots.js';
import type { CloudChoice } from './cloud-choice.js';
import type { DeviceFiles } from './device-files.js';

/** Who makes the next certificate of a device. */
export type RenewalIssuer = 'site' | 'self-signed' | 'c8y';

export interface IssuerChoice extends CloudChoice {
  /** What the user said. */
  readonly ca?: RenewalIssuer | undefined;
  readonly url?: string | undefined;
}

/**
 * Who renews the certificate: whom the user named, else the CA of this site when it issued the certificate. For `c8y` it
 * is else the cloud, as in thin-edge.io.
 *
 * @throws Failure: nothing says who, with the option to use
 */
export async function renewalIssuer(
  settings: Settings,
  files: DeviceFiles,
  { ca, url, cloud }: IssuerChoice,
): Promise<RenewalIssuer> {
  if (ca === 'c8y' && cloud !== undefined && cloud !== 'c8y')
    throw new Failure(
      `The CA of Cumulocity issues no certificates for ${cloud}.`,
      'Leave --ca out, or use --ca self-signed.',
    );
  if (ca !== undefined) return ca;
  const [leaf, ...rest] = (await readPemFile(files.certPath)).certificates;
  // Without a certificate, what follows says what is missing.
  if (url !== undefined || leaf === undefined) return 'site';
  if (await isOfSite([leaf, ...rest], settings, files)) return 'site';
  if (cloud === 'c8y') return 'c8y';
  if (verifySignedBy(leaf, leaf))
    throw new Failure(`The certificate at ${files.certPath} is self-signed.`, 'Renew it with --ca self-signed.');
  throw new Failure(
    `The certificate at ${files.certPath} is not of this site, but of "${leaf.issuer.commonNames[0] ?? 'another CA'}".`,
    'When the cloud issued it, use --ca c8y. When another service did, name it: --url https://HOST:PORT',
  );
}

/** The CAs beside the certificate are those of a site only when it is known where the site is. */
async function isOfSite(chain: readonly Certificate[], settings: Settings, files: DeviceFiles): Promise<boolean> {
  const ownRoots = (await readPemFile(localClient(settings).files.caPath)).certificates;
  if (leadsTo(chain, ownRoots)) return true;
  if (settings.source('pki.url') === 'default') return false;
  const beside = await readPemFile(files.caPath);
  return beside.state === 'missing' || leadsTo(chain, beside.certificates);
}
