import { type AuthorityDescription, signerRoutes } from '@sallyport/protocol';
import { hasEnded } from '@sallyport/x509';
import { reachableHost } from '../../secure/probe.js';
import { type Check, error, type Finding, type Relations, warning } from '../check.js';
import type { CheckedSite } from '../checked-site.js';
import { fetchRevocationList } from '../revocation-list.js';

/** The CAs of the site are valid for long enough, and their revocation lists are current. */
export const authorities: Check = {
  id: 'authorities',
  title: 'CAs and revocation lists',
  run: async (checked) => {
    const all = await authoritiesOf(checked);
    const active = all.filter(({ state, hasKey }) => state === 'active' && hasKey);
    const findings = await Promise.all(active.map((authority) => inspect(checked, authority, all)));
    const roots = active.filter(({ purpose }) => purpose === 'root');
    return [...roots.flatMap((root) => rootFindings(checked, root, all)), ...findings.flat()];
  },
};

/** The CAs as the signer tells them; none while it does not run. */
export async function authoritiesOf({ services }: CheckedSite): Promise<readonly AuthorityDescription[]> {
  const signer = services.find(({ service }) => service === 'pki-signer');
  return signer?.isRunning === true ? (await signer.client.call(signerRoutes.showHierarchy)).authorities : [];
}

async function inspect(
  checked: CheckedSite,
  authority: AuthorityDescription,
  all: readonly AuthorityDescription[],
): Promise<Finding[]> {
  return [
    ...dateFindings(checked, authority, all),
    ...(await crlFindings(checked, authority)),
    ...(await addressFindings(checked, authority)),
  ];
}

/**
 * A root must be replaced while it can still hold a whole issuing CA, and those who were off have time to follow. Nothing
 * is asked for while another root waits already.
 */
function rootFindings(
  { context, remedies, site }: CheckedSite,
  { id, notBefore, notAfter }: AuthorityDescription,
  all: readonly AuthorityDescription[],
): Finding[] {
  const now = context.now();
  if (hasSuccessor('root', all)) return [];
  const lifeMs = Date.parse(notAfter) - Date.parse(notBefore);
  const wantedMs = Math.min(2000 * site.settings.require('pki.issuing.validity'), lifeMs / 2);
  if (Date.parse(notAfter) - now.getTime() > wantedMs) return [];
  const remedy = remedies.run('ca', 'rotate', '--purpose', 'root');
  if (hasEnded({ notAfter }, now))
    return [error(`The root ${id} ended ${notAfter}. Nothing is issued below it.`, remedy, { breaks: ['root'] })];
  return [
    warning(`The root ${id} ends ${notAfter}. Replace it while those below it can follow.`, remedy, {
      breaks: ['root'],
    }),
  ];
}

function dateFindings(
  { context, remedies, site }: CheckedSite,
  authority: AuthorityDescription,
  all: readonly AuthorityDescription[],
): Finding[] {
  const { id, purpose, notAfter } = authority;
  const now = context.now();
  if (purpose === 'root' || Date.parse(notAfter) - now.getTime() > lateMs(authority, purpose, site.settings)) return [];
  if (hasSuccessor(purpose, all)) return [];
  const isCutShort = endsWithRoot(authority, all);
  const remedy = remedies.run('ca', 'rotate', '--purpose', isCutShort ? 'root' : purpose);
  const relations: Relations = isCutShort ? { needs: ['root'] } : {};
  if (hasEnded({ notAfter }, now)) return [error(`The CA ${id} ended ${notAfter}.`, remedy, relations)];
  return [warning(`The CA ${id} ends ${notAfter}.`, remedy, relations)];
}

/**
 * The signer replaces an issuing CA itself when two lives of a leaf are left, or half of its own. The new one waits for an
 * overlap. What has less left than this is late.
 */
function lateMs(
  { notBefore, notAfter }: AuthorityDescription,
  purpose: 'device' | 'service',
  settings: CheckedSite['site']['settings'],
): number {
  const halfLifeMs = (Date.parse(notAfter) - Date.parse(notBefore)) / 2;
  return 0.75 * Math.min(2000 * settings.require(`pki.profile.${purpose}.validity`), halfLifeMs);
}

/** Whether another CA waits already to take the place of the present one. */
function hasSuccessor(wanted: AuthorityDescription['purpose'], all: readonly AuthorityDescription[]): boolean {
  return all.some(({ purpose, state }) => purpose === wanted && state === 'published');
}

/** Another CA below a root that ends as soon would be no better. */
function endsWithRoot({ root, notAfter }: AuthorityDescription, all: readonly AuthorityDescription[]): boolean {
  return all.some(({ id, notAfter: rootEnd }) => id === root && Date.parse(rootEnd) <= Date.parse(notAfter));
}

async function crlFindings(checked: CheckedSite, { id, keyId, fingerprint }: AuthorityDescription): Promise<Finding[]> {
  const { site, remedies, trust, context } = checked;
  const url = new URL(`/crl/${keyId}.crl`, site.settings.require('pki.public.url'));
  const issuer = [...trust.roots, ...trust.issuing].find((certificate) => certificate.fingerprint === fingerprint);
  const { fault, isAbsent = false } = await fetchRevocationList(url, issuer, context.now());
  if (fault === undefined) return [];
  const isAddressWrong = isAbsent && (await isServedHere(checked, url));
  const what = `The revocation list of ${id} ${fault}`;
  const relations = { breaks: ['list'], needs: ['service pki-signer', 'clock', 'disk'] } as const;
  if (!isAddressWrong) return [error(`${what}.`, remedies.startServices(), relations)];
  return [
    error(
      `${what}, the address that certificates name (pki.public.url), though this machine gives it.`,
      remedies.unset('pki.public.url'),
      relations,
    ),
  ];
}

/** Whether the listener of this machine gives a list that its public address does not. */
async function isServedHere({ site: { settings }, context }: CheckedSite, { pathname }: URL): Promise<boolean> {
  if (settings.source('pki.public.url') === 'default') return false;
  const host = reachableHost(settings.require('pki.public.bind.address'));
  const place = `http://${host.includes(':') ? `[${host}]` : host}:${settings.require('pki.public.bind.port')}`;
  return !(await fetchRevocationList(new URL(pathname, place), undefined, context.now())).isAbsent;
}

/** A CA keeps for its whole life the address that `pki.public.url` had when it was made. */
async function addressFindings(checked: CheckedSite, authority: AuthorityDescription): Promise<Finding[]> {
  const { trust, remedies, context } = checked;
  const { id, purpose, fingerprint } = authority;
  const certificate = trust.issuing.find((each) => each.fingerprint === fingerprint);
  const [address] = certificate?.crlDistributionPoints ?? [];
  if (address === undefined || !URL.canParse(address)) return [];
  const { fault, isAbsent } = await fetchRevocationList(new URL(address), undefined, context.now());
  if (fault === undefined || !isAbsent) return [];
  return [
    warning(
      `The CA ${id} says that its own revocation list is at ${address}, where nobody answers. Clients that look there refuse its certificates.`,
      remedies.run('ca', 'rotate', '--purpose', purpose),
      { needs: ['service pki-signer', 'list'] },
    ),
  ];
}
