import { needsRenewal } from '@sallyport/identity';
import { localClient } from '../../secure/local-identity.js';
import { isPair, type PemFile, readPemFile } from '../../site/pem-file.js';
import type { PathKey } from '../../site/secured-group.js';
import { type Check, error, type Finding, warning } from '../check.js';
import type { Patient } from '../patient.js';

/** Settings that name what this machine shows as a client. */
interface ClientGroup {
  readonly cert: PathKey;
  readonly key: PathKey;
}

const groups: readonly ClientGroup[] = [
  { cert: 'http.client.auth.cert_file', key: 'http.client.auth.key_file' },
  { cert: 'mqtt.client.auth.cert_file', key: 'mqtt.client.auth.key_file' },
];

/** What this machine shows to the file transfer service and to the broker. */
export const clientIdentities: Check = {
  id: 'client-identities',
  title: 'certificates this machine shows as a client',
  run: async (patient) => (await Promise.all(groups.map((group) => inspect(patient, group)))).flat(),
};

async function inspect(patient: Patient, group: ClientGroup): Promise<Finding[]> {
  const { settings } = patient.site;
  const [certPath, keyPath] = [settings.get(group.cert), settings.get(group.key)];
  if (certPath === undefined && keyPath === undefined) return [];
  if (certPath === undefined || keyPath === undefined)
    return [halfSet(patient, group, certPath !== undefined ? 'cert' : 'key')];
  const [cert, key] = [await readPemFile(certPath), await readPemFile(keyPath)];
  return pairFinding(patient, group, { cert, key }) ?? certificateFindings(patient, group, cert);
}

function halfSet({ remedies }: Patient, group: ClientGroup, present: 'cert' | 'key'): Finding {
  const missing = present === 'cert' ? group.key : group.cert;
  return error(`${group[present]} is set and ${missing} is not; both are needed.`, remedies.unset(group[present]));
}

function pairFinding(
  patient: Patient,
  group: ClientGroup,
  { cert, key }: { cert: PemFile; key: PemFile },
): Finding[] | undefined {
  if (isPair(cert, key)) return undefined;
  const { remedies } = patient;
  if (isPair(key, cert))
    return [
      error(
        `${group.cert} and ${group.key} are exchanged: ${cert.path} holds ${cert.description}, ${key.path} ${key.description}.`,
        remedies.all(remedies.set(group.cert, key.path), remedies.set(group.key, cert.path)),
      ),
    ];
  const what = `${group.cert} (${cert.path}) holds ${cert.description} and ${group.key} (${key.path}) ${key.description}; they do not pair.`;
  return [error(what, replacement(patient, group, key))];
}

function certificateFindings(patient: Patient, group: ClientGroup, cert: PemFile): Finding[] {
  const [leaf] = cert.certificates;
  const now = patient.context.now();
  if (leaf === undefined) return [];
  const purposes = leaf.extendedKeyUsages;
  const isForClients =
    purposes?.some((purpose) => purpose === 'clientAuth' || purpose === 'anyExtendedKeyUsage') ?? true;
  const remedy = replacement(patient, group, undefined);
  if (now > leaf.notAfter)
    return [error(`${cert.path} (${group.cert}) expired ${leaf.notAfter.toISOString()}.`, remedy)];
  if (!isForClients)
    return [
      error(
        `${cert.path} (${group.cert}) may not be used by a client: it lacks extended key usage clientAuth.`,
        remedy,
      ),
    ];
  return needsRenewal(leaf, now)
    ? [warning(`${cert.path} (${group.cert}) expires ${leaf.notAfter.toISOString()}.`, remedy)]
    : [];
}

/** `secure mutual` issues what it manages itself; a stranger's file has to go from the settings first. */
function replacement({ remedies, site }: Patient, group: ClientGroup, key: PemFile | undefined): string {
  const { certPath, keyPath } = localClient(site.settings).files;
  const isManaged = site.settings.get(group.cert) === certPath && site.settings.get(group.key) === keyPath;
  const isInTheWay = isManaged && key?.state === 'file' && key.privateKey === undefined;
  return remedies.all(
    ...(isManaged ? [] : [remedies.unset(group.cert, group.key)]),
    ...(isInTheWay ? [remedies.remove(keyPath)] : []),
    remedies.secure('mutual'),
  );
}
