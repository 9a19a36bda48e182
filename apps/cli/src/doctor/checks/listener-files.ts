import { sep } from 'node:path';
import type { Settings } from '@sallyport/config';
import { Problem, statePlaces } from '@sallyport/protocol';
import { readSecurityFiles } from '@sallyport/tls';
import { exists } from '../../cert/device-files.js';
import { isPair, type PemFile, readPemFile } from '../../site/pem-file.js';
import { type PathKey, type SecuredGroup, securedGroups } from '../../site/secured-group.js';
import { type Check, error, type Finding, related } from '../check.js';
import { type CheckedSite, isRunning } from '../checked-site.js';

/** Certificate, key and CAs of each listener: present, of the right kind, and belonging together. */
export const listenerFiles: Check = {
  id: 'listener-files',
  title: 'certificate files of the listeners',
  run: async (checked) => {
    const findings = await Promise.all(securedGroups.map((secured) => inspect(checked, secured)));
    return findings.flat();
  },
};

async function inspect(checked: CheckedSite, secured: SecuredGroup): Promise<Finding[]> {
  const { settings } = checked.site;
  const slots = await readSlots(settings, secured);
  if (slots.cert === undefined && slots.key === undefined) return [];
  const misplaced = misplacedFiles(slots);
  // The service refuses such files at its start, and keeps its old ones while it runs.
  const relations = { breaks: ['start', `listener ${secured.group}`], needs: ['disk'] } as const;
  if (misplaced !== undefined) return related([misplacement(checked, secured, slots, misplaced)], relations);
  const fault = await faultOf(settings, secured);
  return fault === undefined ? [] : [error(fault, await remedyFor(checked, secured, slots), relations)];
}

interface Slots {
  readonly cert: PemFile | undefined;
  readonly key: PemFile | undefined;
  readonly ca: PemFile | undefined;
}

async function readSlots(settings: Settings, { keys }: SecuredGroup): Promise<Slots> {
  const read = async (key: PathKey) => {
    const path = settings.get(key);
    return path === undefined ? undefined : readPemFile(path);
  };
  return { cert: await read(keys.cert), key: await read(keys.key), ca: await read(keys.ca) };
}

/** The fault the listener itself would report. */
async function faultOf(settings: Settings, { keys }: SecuredGroup): Promise<string | undefined> {
  const [certPath, keyPath, caPath] = [settings.get(keys.cert), settings.get(keys.key), settings.get(keys.ca)];
  try {
    await readSecurityFiles({ certPath, keyPath, caPath, keys });
    return undefined;
  } catch (fault) {
    if (fault instanceof Problem) return fault.message;
    throw fault;
  }
}

/** The same files in the order that would work; undefined when the order is right, or when none works. */
function misplacedFiles({ cert, key, ca }: Slots): Slots | undefined {
  if (cert === undefined || key === undefined) return undefined;
  if (ca === undefined) {
    const exchanged = { cert: key, key: cert, ca };
    return fits(exchanged) && !fits({ cert, key, ca }) ? exchanged : undefined;
  }
  const orders = [
    { cert, key, ca },
    { cert: key, key: cert, ca },
    { cert: ca, key, ca: cert },
    { cert, key: ca, ca: key },
    { cert: key, key: ca, ca: cert },
    { cert: ca, key: cert, ca: key },
  ];
  const [found, ...others] = orders.filter(fits);
  return found === orders[0] || others.length > 0 ? undefined : found;
}

function fits({ cert, key, ca }: Slots): boolean {
  const holdsCas = ca === undefined || ca.state === 'directory' || ca.certificates.some(({ isCa }) => isCa);
  return cert !== undefined && key !== undefined && isPair(cert, key) && holdsCas;
}

function misplacement({ remedies }: CheckedSite, { keys }: SecuredGroup, now: Slots, right: Slots): Finding {
  const moves = (['cert', 'key', 'ca'] as const).flatMap((slot) => {
    const [is, ought] = [now[slot], right[slot]];
    return is === undefined || ought === undefined || is.path === ought.path ? [] : [{ key: keys[slot], is, ought }];
  });
  const seen = moves.map(({ key, is }) => `${key} (${is.path}) holds ${is.description}`).join(', ');
  return error(
    `The files are exchanged: ${seen}.`,
    remedies.all(...moves.map(({ key, ought }) => remedies.set(key, ought.path))),
  );
}

/**
 * A running service can get a new pair. One that does not start opens without its settings, but not below the level that
 * it had; `secure` is then the next step. Where it never had that level, only a person has files that keep it.
 */
async function remedyFor(checked: CheckedSite, secured: SecuredGroup, { cert, key, ca }: Slots): Promise<string> {
  const { remedies, site } = checked;
  const { keys } = secured;
  // A service never overwrites a file in the place of its key. Other files may belong to the operator.
  const isOwnKey = key?.path.startsWith(statePlaces(site.settings.stateDirectory).services + sep) === true;
  const isInTheWay = isOwnKey && key?.state === 'file' && key.privateKey === undefined;
  const set = [cert && keys.cert, key && keys.key, ca && keys.ca].filter((name) => name !== undefined);
  const isUp = isRunning(checked, secured.service);
  if (!isUp && !(await exists(statePlaces(site.settings.stateDirectory).levelOf(secured.group))))
    return remedies.all(...set.map((name) => remedies.set(name, 'FILE')), remedies.startServices());
  return remedies.all(
    ...(isInTheWay && key !== undefined ? [remedies.remove(key.path)] : []),
    remedies.unset(...set),
    isUp ? remedies.secure(checked.level) : remedies.startServices(),
  );
}
