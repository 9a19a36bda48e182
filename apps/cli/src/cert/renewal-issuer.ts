import type { AdminClient } from '@sallyport/admin-client';
import type { Settings } from '@sallyport/config';
import { Problem } from '@sallyport/protocol';
import { type Certificate, verifySignedBy } from '@sallyport/x509';
import { Failure } from '../failure.js';
import { localClient } from '../secure/local-identity.js';
import { readPemFile } from '../site/pem-file.js';
import { fetchTrust, isOfSite as isIssuedBy, leadsTo, noTrust, type SiteTrust } from '../site/trusted-roots.js';
import type { CloudChoice } from './cloud-choice.js';
import type { DeviceFiles } from './device-files.js';

/** Who makes the next certificate of a device. */
export type RenewalIssuer = 'site' | 'self-signed' | 'c8y';

export interface IssuerChoice extends CloudChoice {
  /** What the user said. */
  readonly ca?: RenewalIssuer | undefined;
  readonly url?: string | undefined;
}

/** Where to look for the site. */
interface Circumstances extends Pick<CloudChoice, 'cloud'> {
  readonly settings: Settings;
  readonly files: DeviceFiles;
  /** The admin API of the signer on this machine, if there is one. */
  readonly signer: () => Promise<AdminClient>;
}

/**
 * Who renews the certificate: whom the user named, else the CA of this site when it issued the certificate. For `c8y` it
 * is else the cloud, as in thin-edge.io.
 *
 * @throws Failure: nothing says who, with the option to use
 */
export async function renewalIssuer(
  { ca, url, cloud }: IssuerChoice,
  { settings, files, signer }: Omit<Circumstances, 'cloud'>,
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
  if (await isOfSite([leaf, ...rest], { settings, files, cloud, signer })) return 'site';
  if (cloud === 'c8y') return 'c8y';
  if (verifySignedBy(leaf, leaf))
    throw new Failure(`The certificate at ${files.certPath} is self-signed.`, 'Renew it with --ca self-signed.');
  throw new Failure(
    `The certificate at ${files.certPath} is not of this site, but of "${leaf.issuer.commonNames[0] ?? 'another CA'}".`,
    'When the cloud issued it, use --ca c8y. When another service did, name it: --url https://HOST:PORT',
  );
}

/** The CAs beside the certificate are those of a site, or of a tenant. So what is known of the site decides first. */
async function isOfSite(
  chain: readonly [Certificate, ...Certificate[]],
  { settings, files, cloud, signer }: Circumstances,
): Promise<boolean> {
  const ownRoots = (await readPemFile(localClient(settings).files.caPath)).certificates;
  if (leadsTo(chain, ownRoots)) return true;
  const beside = await readPemFile(files.caPath);
  if (settings.source('pki.url') !== 'default')
    return beside.state === 'missing' || leadsTo(chain, beside.certificates);
  const trust = await trustOf(signer);
  if (trust.roots.length > 0) return isIssuedBy(chain, trust);
  const hasCloud = cloud === 'c8y' || settings.get('c8y.http') !== undefined;
  return !hasCloud && leadsTo(chain, beside.certificates);
}

/** What the signer of this machine publishes; nothing where none answers. */
async function trustOf(signer: () => Promise<AdminClient>): Promise<SiteTrust> {
  try {
    return await fetchTrust(await signer());
  } catch (fault) {
    if (fault instanceof Problem || fault instanceof Failure) return noTrust;
    throw fault;
  }
}
