import { cloudConnections, parseCloudName } from '@sallyport/cloud';
import { needsRenewal } from '@sallyport/identity';
import { type Certificate, hasBegun, hasEnded, verifySignedBy } from '@sallyport/x509';
import { type DeviceFiles, deviceFiles } from '../../cert/device-files.js';
import { isPair, type PemFile, readPemFile } from '../../site/pem-file.js';
import { leadsTo } from '../../site/trusted-roots.js';
import { type Check, error, type Finding, warning } from '../check.js';
import { type CheckedSite, isRunning } from '../checked-site.js';

/** The certificate of this device, if it has one: key, chain, name, purpose, dates. */
export const deviceIdentity: Check = {
  id: 'device-identity',
  title: 'certificate of this device',
  run: async (checked) => {
    const files = deviceFiles(checked.site.settings);
    const [cert, key, ca] = await Promise.all([files.certPath, files.keyPath, files.caPath].map(readPemFile));
    if (cert === undefined || key === undefined || ca === undefined) return [];
    if (cert.state === 'missing' && key.state === 'missing') return [];
    return pairFindings(checked, { files, cert, key }) ?? certificateFindings(checked, { files, cert, ca });
  },
};

interface PairFiles {
  readonly files: DeviceFiles;
  readonly cert: PemFile;
  readonly key: PemFile;
}

function pairFindings(checked: CheckedSite, { files, cert, key }: PairFiles): Finding[] | undefined {
  if (isPair(cert, key)) return undefined;
  const { remedies } = checked;
  const { certPath, keyPath } = files;
  if (isPair(key, cert))
    return [
      error(
        `Certificate and key are exchanged: ${certPath} holds ${cert.description}, ${keyPath} ${key.description}.`,
        remedies.all(remedies.set('device.cert_path', keyPath), remedies.set('device.key_path', certPath)),
      ),
    ];
  const what =
    cert.certificates.length > 0 && key.privateKey !== undefined
      ? `${keyPath} is not the key of ${certPath}.`
      : `${certPath} holds ${cert.description}, ${keyPath} ${key.description}.`;
  return [error(what, remedies.all(remedies.run('cert', 'remove'), enrolment(checked, cert)))];
}

function certificateFindings(
  checked: CheckedSite,
  { cert, ca }: { files: DeviceFiles; cert: PemFile; ca: PemFile },
): Finding[] {
  const [leaf] = cert.certificates;
  if (leaf === undefined) return [];
  const dates = dateFindings(checked, cert, leaf);
  // "cert create" made it for a cloud: it has no CA above it, and its purpose does not matter.
  if (verifySignedBy(leaf, leaf)) return dates;
  const renewal = remedyFor(checked, cert);
  const purposes = leaf.extendedKeyUsages;
  const isForClients =
    purposes?.some((purpose) => purpose === 'clientAuth' || purpose === 'anyExtendedKeyUsage') ?? true;
  return [
    ...dates,
    ...(isForClients
      ? []
      : [error(`${cert.path} may not be used by a client: its extended key usage lacks clientAuth.`, renewal)]),
    // The cloud knows the CA of its certificates itself.
    ...(isForCloud(checked, cert) || leadsTo(cert.certificates, ca.certificates)
      ? []
      : [error(`${cert.path} does not lead to the CA in ${ca.path}, which holds ${ca.description}.`, renewal)]),
  ];
}

function dateFindings(checked: CheckedSite, cert: PemFile, leaf: Certificate): Finding[] {
  const now = checked.context.now();
  const { remedies } = checked;
  // The check of clouds tells it, with who renews it there.
  if (hasBegun(leaf, now) && isForCloud(checked, cert)) return [];
  if (hasEnded(leaf, now))
    return [
      error(`${cert.path} expired ${leaf.notAfter.toISOString()}.`, remedyFor(checked, cert), { needs: ['clock'] }),
    ];
  if (!hasBegun(leaf, now))
    return [
      error(
        `${cert.path} is not valid before ${leaf.notBefore.toISOString()}; check the clock.`,
        'timedatectl set-ntp true',
        { needs: ['clock'] },
      ),
    ];
  if (!needsRenewal(leaf, now)) return [];
  const renew = verifySignedBy(leaf, leaf)
    ? remedies.run('cert', 'renew', '--ca', 'self-signed')
    : remedies.run('cert', 'renew');
  return [warning(`${cert.path} expires ${leaf.notAfter.toISOString()}.`, renew)];
}

function isForCloud({ site: { settings } }: CheckedSite, { path }: PemFile): boolean {
  return cloudConnections(settings).some((name) => {
    const { kind, profile } = parseCloudName(name);
    if (kind === 'custom') return false;
    return deviceFiles(settings.ofProfile(profile), { cloud: kind }).certPath === path;
  });
}

function remedyFor(checked: CheckedSite, cert: PemFile): string {
  return enrolment(checked, cert);
}

/** The commands that enrol again under the same name. The token is made on the machine of the signer. */
function enrolment(checked: CheckedSite, cert: PemFile): string {
  const { remedies, site } = checked;
  const name = cert.certificates[0]?.subject.commonNames[0] ?? site.settings.get('device.id') ?? 'DEVICE';
  return isRunning(checked, 'pki-signer')
    ? remedies.enrol(name)
    : remedies.enrolElsewhere(name, site.settings.require('pki.url'));
}
