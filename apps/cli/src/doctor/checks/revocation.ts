import { type DeviceId, type DeviceState, deviceId, Problem, registryRoutes } from '@sallyport/protocol';
import { type Certificate, verifySignedBy } from '@sallyport/x509';
import { deviceFiles } from '../../cert/device-files.js';
import { administrator, localClient } from '../../secure/local-identity.js';
import { readPemFile } from '../../site/pem-file.js';
import { securedGroups } from '../../site/secured-group.js';
import { isOfSite } from '../../site/trusted-roots.js';
import { type Check, error, type Finding, type Part, warning } from '../check.js';
import { type CheckedSite, isRunning } from '../checked-site.js';
import { fetchRevocationList } from '../revocation-list.js';

/** No certificate of this machine is revoked, and the registry admits the device that this machine is. */
export const revocation: Check = {
  id: 'revocation',
  title: 'revocation of the certificates of this machine',
  run: async (checked) => {
    const used = await usedCertificates(checked);
    const findings = await Promise.all(used.map((one) => listFindings(checked, one)));
    return [...unique(findings.flat()), ...(await registryFindings(checked))];
  },
};

/** A certificate that this machine shows to others. */
interface Used {
  readonly path: string;
  readonly leaf: Certificate;
  /** Certificates that may have issued it. */
  readonly issuers: readonly Certificate[];
  /** The command that gives a new one. */
  readonly fix: string;
  /** The registry knows of the revocation before the next list does. */
  readonly isRefused: boolean;
  readonly breaks: readonly Part[];
}

async function usedCertificates(checked: CheckedSite): Promise<Used[]> {
  const { settings } = checked.site;
  const { remedies, level } = checked;
  const device = deviceFiles(settings);
  const secure = remedies.secure(level);
  const shown = securedGroups.flatMap(({ group, keys }) => {
    const path = settings.get(keys.cert);
    return path === undefined ? [] : [{ path, keyPath: settings.get(keys.key), parts: [`listener ${group}`] as const }];
  });
  const clients = [
    { path: localClient(settings).files.certPath, keyPath: localClient(settings).files.keyPath },
    { path: administrator(settings).files.certPath, keyPath: administrator(settings).files.keyPath },
  ].map((one) => ({ ...one, parts: ['client http', 'client mqtt'] as const }));
  const ofSite = [...shown, ...(level === 'mutual' ? clients : [])].map(({ path, keyPath, parts }) =>
    used(checked, {
      path,
      breaks: parts,
      fix: (leaf, isRefused) => replacement(checked, { path, keyPath, leaf, secure, isRefused }),
    }),
  );
  const own = used(checked, { path: device.certPath, breaks: [], fix: (leaf) => enrolment(checked, leaf) });
  return (await Promise.all([...ofSite, own])).flat();
}

interface Place {
  readonly path: string;
  readonly breaks: readonly Part[];
  readonly fix: (leaf: Certificate, isRefused: boolean) => string;
}

async function used(checked: CheckedSite, { path, breaks, fix }: Place): Promise<Used[]> {
  const [leaf, ...rest] = (await readPemFile(path)).certificates;
  if (leaf === undefined) return [];
  const ofDevice = (await readPemFile(deviceFiles(checked.site.settings).caPath)).certificates;
  const issuers = [...rest, ...checked.trust.issuing, ...ofDevice];
  const isRefused = await isRefusedByRegistry(checked, leaf);
  return [{ path, leaf, issuers, fix: fix(leaf, isRefused), isRefused, breaks }];
}

interface Shown {
  readonly path: string;
  readonly keyPath: string | undefined;
  readonly leaf: Certificate;
  readonly secure: string;
  readonly isRefused: boolean;
}

/**
 * `secure` keeps a certificate whose dates are good, so a revoked one has to go first; its key with it. Nor does it bring
 * back a name that the registry refuses.
 */
function replacement(checked: CheckedSite, { path, keyPath, leaf, secure, isRefused }: Shown): string {
  const { remedies, trust, site } = checked;
  if (!isOfSite([leaf], trust)) return secure;
  const [name = 'SERVICE'] = leaf.subject.commonNames;
  const profile = path === administrator(site.settings).files.certPath ? 'admin' : 'service';
  return remedies.all(
    ...(isRefused ? [remedies.reinstateLocal(name, profile, site.settings.require('pki.url'))] : []),
    ...[path, keyPath].flatMap((each) => (each === undefined ? [] : [remedies.remove(each)])),
    secure,
  );
}

async function isRefusedByRegistry(checked: CheckedSite, leaf: Certificate): Promise<boolean> {
  const name = deviceId.safeParse(leaf.subject.commonNames[0]).data;
  if (name === undefined || !isOfSite([leaf], checked.trust)) return false;
  return (await registryState(checked, name)) === 'revoked';
}

async function listFindings(
  checked: CheckedSite,
  { path, leaf, issuers, fix, isRefused, breaks }: Used,
): Promise<Finding[]> {
  const issuer = issuers.find((candidate) => candidate.isCa && verifySignedBy(leaf, candidate));
  const [address] = leaf.crlDistributionPoints;
  const refused = isRefused
    ? [error(`${path} is refused everywhere: its name was revoked in the registry.`, fix, { breaks })]
    : [];
  if (issuer === undefined || address === undefined || !URL.canParse(address)) return refused;
  const { list, fault, isAbsent } = await fetchRevocationList(new URL(address), issuer, checked.context.now());
  if (fault !== undefined) return isAbsent ? absentFindings(checked, address, fix) : [stale(`${path} ${fault}`, fix)];
  const entry = list.entries.find(({ serialNumber }) => serialNumber === leaf.serialNumber);
  if (entry === undefined) return refused;
  const reason = entry.reason === undefined ? '' : ` (${entry.reason})`;
  const what = `${path} was revoked ${entry.revokedAt.toISOString()}${reason}, so it is refused everywhere.`;
  return [error(what, fix, { breaks })];
}

function stale(fault: string, fix: string): Finding {
  return error(`The revocation list of ${fault}.`, fix, { needs: ['service pki-signer', 'clock', 'disk'] });
}

/** A device need not reach the list of its own certificate: others look there. On a gateway, others go where it goes. */
function absentFindings(checked: CheckedSite, address: string, fix: string): Finding[] {
  if (!checked.isGateway || !isRunning(checked, 'pki-signer')) return [];
  const what = `Certificates of this machine name a revocation list at ${address}, where nobody answers. Clients that look there refuse them.`;
  return [warning(what, fix, { needs: ['service pki-signer', 'list'] })];
}

/** Several settings may name one file. */
function unique(findings: readonly Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [finding.what, finding])).values()];
}

function enrolment(checked: CheckedSite, leaf: Certificate): string {
  const { remedies, site } = checked;
  const [name = 'DEVICE'] = leaf.subject.commonNames;
  return isRunning(checked, 'pki-signer')
    ? remedies.reinstate(name)
    : remedies.enrolElsewhere(name, site.settings.require('pki.url'));
}

/** On a gateway that is a device too, the registry may have locked or retired it. */
async function registryFindings(checked: CheckedSite): Promise<Finding[]> {
  const { site, remedies } = checked;
  const [leaf] = (await readPemFile(deviceFiles(site.settings).certPath)).certificates;
  const id = deviceId.safeParse(leaf?.subject.commonNames[0]);
  if (leaf === undefined || !id.success || !isOfSite([leaf], checked.trust)) return [];
  const state = await registryState(checked, id.data);
  if (state === 'locked')
    return [error(`The registry has locked this device, ${id.data}.`, remedies.run('device', 'unlock', id.data))];
  if (state === undefined || state === 'active' || state === 'revoked') return [];
  return [
    error(
      `The registry does not admit this device, ${id.data}: it is ${state}.`,
      remedies.run('device', 'show', id.data),
    ),
  ];
}

/** Undefined when the registry does not run, or has not seen the device yet. */
async function registryState({ services }: CheckedSite, id: DeviceId): Promise<DeviceState | undefined> {
  const registry = services.find(({ service }) => service === 'device-registry');
  if (registry?.isRunning !== true) return undefined;
  try {
    return (await registry.client.call(registryRoutes.showDevice, { params: { id } })).state;
  } catch (fault) {
    if (fault instanceof Problem && fault.type === 'not-found') return undefined;
    throw fault;
  }
}
