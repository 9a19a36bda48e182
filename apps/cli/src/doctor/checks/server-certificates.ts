import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { isConfigKey } from '@sallyport/config';
import { isRenewalLate } from '@sallyport/identity';
import { type Certificate, hasBegun, hasEnded } from '@sallyport/x509';
import { hostNames } from '../../site/host-names.js';
import { isPair, readPemFile } from '../../site/pem-file.js';
import { type SecuredGroup, securedGroups } from '../../site/secured-group.js';
import { isOfSite, leadsTo } from '../../site/trusted-roots.js';
import { type Check, error, type Finding, related, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';

/** A certificate a listener shows to its clients. */
interface Shown {
  readonly secured: SecuredGroup;
  readonly path: string;
  readonly chain: readonly [Certificate, ...Certificate[]];
}

type Inspection = (checked: CheckedSite, shown: Shown) => Finding[] | Promise<Finding[]>;

/** Makes a check of an inspection of each listener's certificate. Another check tells of files that do not pair. */
function checkOf(id: string, title: string, inspection: Inspection): Check {
  return {
    id,
    title,
    run: async (checked) =>
      (
        await Promise.all(
          (
            await shownCertificates(checked)
          ).map(async (shown) =>
            related(await inspection(checked, shown), {
              breaks: [`listener ${shown.secured.group}`],
              needs: ['clock'],
            }),
          ),
        )
      ).flat(),
  };
}

async function shownCertificates({ site: { settings } }: CheckedSite): Promise<Shown[]> {
  const found = await Promise.all(
    securedGroups.map(async (secured): Promise<Shown[]> => {
      const [certPath, keyPath] = [settings.get(secured.keys.cert), settings.get(secured.keys.key)];
      if (certPath === undefined || keyPath === undefined) return [];
      const file = await readPemFile(certPath);
      const [leaf, ...rest] = file.certificates;
      return leaf === undefined || !isPair(file, await readPemFile(keyPath))
        ? []
        : [{ secured, path: certPath, chain: [leaf, ...rest] }];
    }),
  );
  return found.flat();
}

/** The chain a listener sends leads to a root its clients know. */
export const serverChains = checkOf(
  'server-chain',
  'certificate chains of the listeners',
  (checked, { path, chain }) => {
    const { trust, remedies, level } = checked;
    if (!isOfSite(chain, trust) || leadsTo(chain, trust.roots)) return [];
    return [
      error(
        `${path} lacks the intermediate certificate of ${chain[0].issuer.text}, so clients cannot find its root.`,
        remedies.secure(level),
      ),
    ];
  },
);

/** Clients find the name they connect to in the certificate. */
export const serverNames = checkOf(
  'server-names',
  'host names in the certificates of the listeners',
  async (checked, shown) => {
    const { settings } = checked.site;
    const [leaf] = shown.chain;
    const names = new Set(leaf.subjectAltNames.map(({ value }) => value.toLowerCase()));
    if (isOfSite(shown.chain, checked.trust)) return missingSiteNames(checked, shown, names);
    const { clientHostKey: hostKey } = shown.secured;
    if (hostKey === undefined || !isConfigKey(hostKey)) return [];
    const host = String(settings.require(hostKey));
    if (names.has(host.toLowerCase())) return [];
    const held = await firstReached([...names]);
    const what = `${shown.path} is not for "${host}", the name clients connect to (${hostKey}); it is for: ${[...names].join(', ') || 'no host at all'}.`;
    return [error(what, held === undefined ? replacement(checked, shown) : checked.remedies.set(hostKey, held))];
  },
);

/** The first name that this machine can resolve: no client gets anywhere with another. */
async function firstReached(names: readonly string[]): Promise<string | undefined> {
  for (const name of names)
    if (isIP(name) !== 0 || (await lookup(name).catch(() => undefined)) !== undefined) return name;
  return undefined;
}

function missingSiteNames(checked: CheckedSite, { path, secured }: Shown, names: Set<string>): Finding[] {
  const { site, remedies, level } = checked;
  const addresses = addressesOf(checked, secured.group);
  const missing = hostNames(site.settings, addresses).filter(({ value }) => !names.has(value));
  if (missing.length === 0) return [];
  const list = missing.map(({ value }) => value).join(', ');
  return [error(`${path} is not for ${list}, under which clients may connect.`, remedies.secure(level))];
}

/** Where the service listens; where it does not run, what the settings say. */
function addressesOf({ services, site: { settings } }: CheckedSite, group: SecuredGroup['group']): string[] {
  const entrances = services.flatMap((state) => (state.isRunning ? state.entrances : []));
  const ofGroup = entrances.filter((each) => each.group === group);
  if (ofGroup.length > 0) return ofGroup.flatMap(({ host, moreHosts = [] }) => [host, ...moreHosts]);
  const address = settings.get(`${group}.bind.address`);
  return address === undefined ? [] : [address];
}

/** The certificate may be used by a server. */
export const serverPurposes = checkOf(
  'server-purpose',
  'purpose of the certificates of the listeners',
  (checked, shown) => {
    const purposes = shown.chain[0].extendedKeyUsages;
    const isForServers =
      purposes?.some((purpose) => purpose === 'serverAuth' || purpose === 'anyExtendedKeyUsage') ?? true;
    if (isForServers) return [];
    const what = `${shown.path} may not be used by a server: its extended key usage is ${purposes?.join(', ')} and lacks serverAuth.`;
    return [error(what, replacement(checked, shown))];
  },
);

/** The certificate is valid, and not overdue for renewal. */
export const serverDates = checkOf('server-dates', 'dates of the certificates of the listeners', (checked, shown) => {
  const { context } = checked;
  const [leaf] = shown.chain;
  const now = context.now();
  if (hasEnded(leaf, now))
    return [error(`${shown.path} expired ${leaf.notAfter.toISOString()}.`, replacement(checked, shown))];
  if (!hasBegun(leaf, now))
    return [error(`${shown.path} is not valid before ${leaf.notBefore.toISOString()}.`, replacement(checked, shown))];
  if (!isRenewalLate(leaf, now)) return [];
  const what = `${shown.path} expires ${leaf.notAfter.toISOString()} and has not been renewed yet.`;
  return [warning(what, replacement(checked, shown))];
});

/** The command that puts a certificate of this site there. Settings that name another site's are unset first. */
function replacement({ trust, remedies, level }: CheckedSite, { chain, secured: { keys } }: Shown): string {
  const secure = remedies.secure(level);
  return isOfSite(chain, trust) ? secure : remedies.all(remedies.unset(keys.cert, keys.key), secure);
}
