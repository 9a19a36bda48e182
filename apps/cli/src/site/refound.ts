import { randomBytes } from 'node:crypto';
import { lchown, readdir, rename, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, makeFolder, readTextIfPresent } from '@sallyport/files';
import { siteMarkerPath, writeSiteMarker } from '@sallyport/identity';
import { type DistrustedAuthority, Problem, type SiteMarker, siteId, statePlaces } from '@sallyport/protocol';
import { authorityIdOf, certificatesFromPem, splitAtCertificates } from '@sallyport/x509';
import type { Command } from 'commander';
import { z } from 'zod';
import { exists } from '../cert/device-files.js';
import type { CliContext } from '../cli-context.js';
import { Failure } from '../failure.js';
import { globalOptions, optionsOf } from '../options.js';
import { writeJson, writeLines } from '../output.js';
import { requireStopped } from './require-stopped.js';
import { openSite, type Site } from './site.js';
import { authoritiesInStore, isAnyPartHere, readSiteParts, type SiteParts } from './site-parts.js';

const options = globalOptions.extend({ yes: z.boolean().default(false) });

/**
 * `site refound`: what to do when a part of the site is lost and there is no backup. It changes files while the
 * services are stopped, and the next start founds the new site. Old files are moved aside, never deleted.
 */
export function refoundCommand(context: CliContext, parent: Command): void {
  parent
    .command('refound')
    .description('found this site again, with a new CA: nothing that the old CA issued is trusted any more')
    .option('--yes', 'do it; without this nothing is changed')
    .action(async (_options: unknown, command: Command) => {
      const given = optionsOf(command, options);
      const site = await openSite(context, given);
      await requireStopped(site);
      const parts = await readPartsLeniently(site);
      if (!isAnyPartHere(parts))
        throw new Failure('There is no site here yet.', 'The first start of the services founds one.');
      if (!given.yes) throw unconfirmed(context, parts);
      const marker = await refound(site, parts);
      if (given.json) writeJson(context, { siteId: marker.siteId, replaces: marker.replaces });
      else writeLines(context, outcome(context, marker, parts));
    });
}

/** A damaged marker must not prevent a new founding. */
async function readPartsLeniently({ settings }: Site): Promise<SiteParts> {
  try {
    return await readSiteParts(settings);
  } catch (fault) {
    if (!(fault instanceof Problem) || fault.type !== 'site-incomplete') throw fault;
    const aside = `${statePlaces(settings.stateDirectory).markers}${suffixAt(new Date())}`;
    throw new Failure(fault.message, `Or move the folder "site" of the state directory (state.path) to ${aside}.`);
  }
}

function unconfirmed({ programName }: CliContext, { signer, registry }: SiteParts): Failure {
  const id = signer?.siteId ?? registry?.siteId;
  return new Failure(
    `Nothing was changed. Founding ${id === undefined ? 'this site' : `site ${id}`} again makes a new CA: every device and service has to enrol again, and nothing the old CA issued is trusted any more. The old keys, the embedded store, and the sessions and messages of the embedded broker are moved aside. If there is a backup, restore it instead.`,
    `To do it: ${programName} site refound --yes`,
  );
}

/**
 * In this order, so that a crash at any point leaves traces of a site, or a founding to finish; the command can then be
 * run again.
 */
async function refound({ settings, context }: Site, parts: SiteParts): Promise<SiteMarker> {
  const { places, signer, registry } = parts;
  const suffix = suffixAt(context.now());
  const marker: SiteMarker = {
    siteId: siteId.parse(randomBytes(16).toString('hex')),
    foundedAt: context.now().toISOString(),
    distrusted: await authoritiesKnownHere(settings.stateDirectory, parts),
    state: 'founding',
    replaces: signer?.siteId ?? registry?.siteId ?? 'unknown',
  };
  if (places.store !== undefined) await moveAside(places.store, suffix);
  // What clients of the old site sent, and what waits for them, must not be delivered in the new one.
  await moveAside(places.brokerJournal, suffix);
  await moveAside(places.keys, suffix);
  // The new marker is complete before it replaces the old one. The secrets are moved last: until then they show that
  // there is a site.
  const next = join(settings.stateDirectory, '.site-next');
  await makeFolder(next, 0o777);
  await writeSiteMarker(siteMarkerPath(next, 'pki-signer'), marker);
  await moveAside(places.markers, suffix);
  await rename(statePlaces(next).markers, places.markers);
  await rmdir(next);
  await giveToOwnerOf(settings.stateDirectory, places.markers);
  await moveAside(places.secrets, suffix);
  return marker;
}

/** CAs of the old site that are known from files: from its store, and from what its services were told to trust. */
async function authoritiesKnownHere(
  stateDirectory: string,
  { places, signer }: SiteParts,
): Promise<DistrustedAuthority[]> {
  const state = statePlaces(stateDirectory);
  const services = await readdir(state.services).catch(() => []);
  const paths = [
    state.signerIdentity,
    ...services.flatMap((service) =>
      ['client-ca.pem', 'client-ca/site.pem', 'ca.pem', 'certificate.pem'].map((name) =>
        join(state.services, service, name),
      ),
    ),
    ...(['client', 'administrator'] as const).map((name) => join(state.folderOf(name), 'ca.pem')),
  ];
  const found = await Promise.all(paths.map(authoritiesIn));
  return [...new Set([...(signer?.distrusted ?? []), ...authoritiesInStore(places.store), ...found.flat()])];
}

async function authoritiesIn(path: string): Promise<DistrustedAuthority[]> {
  const parts = splitAtCertificates((await readTextIfPresent(path)) ?? '');
  if (parts === undefined) return [];
  try {
    return certificatesFromPem(parts.certificates)
      .filter(({ isCa }) => isCa)
      .map(authorityIdOf);
  } catch (fault) {
    // An entrance cannot read it either, so nobody trusts it.
    if (fault instanceof Problem) return [];
    throw fault;
  }
}

async function moveAside(path: string, suffix: string): Promise<void> {
  if (await exists(path)) await rename(path, `${path}${suffix}`);
}

/** Such as `.before-20260601T120000Z`. */
function suffixAt(now: Date): string {
  return `.before-${now.toISOString().replace(/[-:]|\.\d+/g, '')}`;
}

/** When run with sudo: gives the files back to the user of the services, who must be able to write them. */
async function giveToOwnerOf(directory: string, folder: string): Promise<void> {
  const { uid, gid } = await stat(directory);
  for (const path of [folder, join(folder, 'pki-signer.json')])
    await lchown(path, uid, gid).catch((fault: unknown) => {
      if (!hasCode(fault, 'EPERM')) throw fault;
    });
}

function outcome({ programName }: CliContext, { siteId: id, replaces }: SiteMarker, { places }: SiteParts): string[] {
  const elsewhere = 'store.url names a store of its own: let it name an empty one before the next start.';
  const { store, otherBroker } = places;
  return [
    ...(store === undefined ? [elsewhere] : []),
    ...(otherBroker === undefined
      ? []
      : [`${otherBroker} still has the sessions and messages of the old site: empty it before the next start.`]),
    `Site ${id} takes the place of ${replaces === 'unknown' ? 'the old one' : `site ${replaces}`}. The next start makes its CA.`,
    'Then:',
    `  ${programName} secure mutual     new certificates for the services, if listeners use TLS`,
    `  ${programName} device enroll-token DEVICE   for each device`,
    'The old keys, secrets, store and MQTT sessions lie beside the new ones, with ".before-" in their names.',
  ];
}
