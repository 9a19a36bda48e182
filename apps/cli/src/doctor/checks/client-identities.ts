import { isRenewalLate } from '@sallyport/identity';
import { type HalfPair, pairOf } from '@sallyport/tls';
import { hasBegun, hasEnded } from '@sallyport/x509';
import { adminIdentityFiles } from '../../admin/admin-clients.js';
import { localClient } from '../../secure/local-identity.js';
import { isPair, type PemFile, readPemFile } from '../../site/pem-file.js';
import type { PathKey } from '../../site/secured-group.js';
import { type Check, error, type Finding, related, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** Settings that name the certificate this machine shows as a client, and its key. */
interface ClientGroup {
  readonly cert: PathKey;
  readonly key: PathKey;
}

/** A certificate that this machine shows, its key, and the commands that repair them. */
interface Shown {
  readonly cert: PemFile;
  readonly key: PemFile;
  /** What findings call the two files. */
  readonly names: { readonly cert: string; readonly key: string };
  /** The command for settings that name the two files the wrong way round. */
  readonly exchange?: string;
  readonly replacement: string;
}

const groups: readonly ClientGroup[] = [
  { cert: 'http.client.auth.cert_file', key: 'http.client.auth.key_file' },
  { cert: 'mqtt.client.auth.cert_file', key: 'mqtt.client.auth.key_file' },
];

/** What this machine shows to the file transfer service and to the broker, and its operator to the admin API. */
export const clientIdentities: Check = {
  id: 'client-identities',
  title: 'certificates this machine shows as a client',
  run: async (checked) => {
    const ofGroups = await Promise.all(groups.map((group) => inspectGroup(checked, group)));
    const ofOperator = await inspectOperator(checked);
    return related([...ofGroups.flat(), ...ofOperator], { breaks: ['client http', 'client mqtt'], needs: ['clock'] });
  },
};

async function inspectGroup(checked: CheckedSite, group: ClientGroup): Promise<Finding[]> {
  const { remedies, site } = checked;
  const paths = pairOf(site.settings.get(group.cert), site.settings.get(group.key));
  if (paths.kind === 'none') return [];
  if (paths.kind === 'half') return [halfSet(checked, group, paths)];
  const [cert, key] = [await readPemFile(paths.cert), await readPemFile(paths.key)];
  const exchange = remedies.all(remedies.set(group.cert, paths.key), remedies.set(group.key, paths.cert));
  return inspect(checked, { cert, key, names: group, exchange, replacement: groupReplacement(checked, group, key) });
}

/** Below level mutual nobody asks for the certificate, and the repair would change the level. */
async function inspectOperator(checked: CheckedSite): Promise<Finding[]> {
  if (checked.level !== 'mutual') return [];
  const { certPath, keyPath } = adminIdentityFiles(checked.site.settings);
  const [cert, key] = [await readPemFile(certPath), await readPemFile(keyPath)];
  if (cert.state === 'missing' && key.state === 'missing') return [];
  const names = { cert: 'certificate of the operator', key: 'key of the operator' };
  return inspect(checked, { cert, key, names, replacement: managedReplacement(checked, key) });
}

/** At level mutual the listeners ask for the pair, so `secure` has to set both. */
function halfSet(checked: CheckedSite, group: ClientGroup, { present, missing }: HalfPair): Finding {
  const { remedies, level, isGateway } = checked;
  const isNeeded = isGateway && level === 'mutual';
  return error(
    `${group[present]} is set and ${group[missing]} is not; both are needed.`,
    remedies.all(remedies.unset(group[present]), ...(isNeeded ? [remedies.secure(level)] : [])),
  );
}

function inspect({ context }: CheckedSite, shown: Shown): Finding[] {
  const finding = isPair(shown.cert, shown.key) ? certificateFinding(shown, context.now()) : pairFinding(shown);
  return finding === undefined ? [] : [finding];
}

function pairFinding({ cert, key, names, exchange, replacement }: Shown): Finding {
  if (exchange !== undefined && isPair(key, cert))
    return error(
      `${names.cert} and ${names.key} are exchanged: ${cert.path} holds ${cert.description}, ${key.path} ${key.description}.`,
      exchange,
    );
  const what = `${names.cert} (${cert.path}) holds ${cert.description} and ${names.key} (${key.path}) ${key.description}; they do not pair.`;
  return error(what, replacement);
}

function certificateFinding({ cert, names, replacement }: Shown, now: Date): Finding | undefined {
  const [leaf] = cert.certificates;
  if (leaf === undefined) return undefined;
  const purposes = leaf.extendedKeyUsages;
  const isForClients =
    purposes?.some((purpose) => purpose === 'clientAuth' || purpose === 'anyExtendedKeyUsage') ?? true;
  const name = `${cert.path} (${names.cert})`;
  if (hasEnded(leaf, now)) return error(`${name} expired ${leaf.notAfter.toISOString()}.`, replacement);
  if (!hasBegun(leaf, now)) return error(`${name} is not valid before ${leaf.notBefore.toISOString()}.`, replacement);
  if (!isForClients)
    return error(`${name} may not be used by a client: it lacks extended key usage clientAuth.`, replacement);
  return isRenewalLate(leaf, now) ? warning(`${name} expires ${leaf.notAfter.toISOString()}.`, replacement) : undefined;
}

/** `secure mutual` replaces the files it manages. A file of another site has to be removed from the settings first. */
function groupReplacement(checked: CheckedSite, group: ClientGroup, key: PemFile): string {
  const { remedies, site } = checked;
  const { certPath, keyPath } = localClient(site.settings).files;
  const isManaged = site.settings.get(group.cert) === certPath && site.settings.get(group.key) === keyPath;
  return isManaged
    ? managedReplacement(checked, key)
    : remedies.all(remedies.unset(group.cert, group.key), remedies.secure('mutual'));
}

/** A file in the place of the key that is no key has to be moved away. A key is kept. */
function managedReplacement({ remedies }: CheckedSite, key: PemFile): string {
  const isInTheWay = key.state === 'file' && key.privateKey === undefined;
  return remedies.all(...(isInTheWay ? [remedies.remove(key.path)] : []), remedies.secure('mutual'));
}
