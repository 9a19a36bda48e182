import type { AdminClient } from '@sallyport/admin-client';
import {
  type EntranceDescription,
  type EntranceReloadRequest,
  entranceName,
  entranceRoutes,
  Problem,
  type SecurityLevel,
} from '@sallyport/protocol';
import { ServiceUnreachable } from '../admin/service-unreachable.js';
import { Failure } from '../failure.js';
import { offeredGroups, type SecuredGroup, securedGroups } from '../site/secured-group.js';
import type { Site } from '../site/site.js';

/** An entrance of a service that runs. */
export interface RunningEntrance {
  readonly secured: SecuredGroup;
  readonly client: AdminClient;
  readonly description: EntranceDescription;
}

/** An entrance that its service still has, though the settings do not ask for it any more. */
export type WithdrawnEntrance = Pick<RunningEntrance, 'secured' | 'client'>;

/**
 * Finds the entrances of the site. An MQTT broker without an admin socket is not ours, and is left out. Every other
 * service must run, or only half of the site would change. Level plain needs no certificate, so a service that does not
 * run may take it at its next start.
 *
 * @throws Failure: a service does not run or does not answer
 */
export async function findEntrances(
  site: Site,
  level: SecurityLevel,
): Promise<{ running: RunningEntrance[]; absent: SecuredGroup[] }> {
  const running: RunningEntrance[] = [];
  const absent: SecuredGroup[] = [];
  for (const secured of offeredGroups(site.settings)) {
    const client = await site.client(secured.service);
    const descriptions = await entrancesOf(secured, client, level);
    if (descriptions === undefined) absent.push(secured);
    else running.push(...descriptions.map((description) => ({ secured, client, description })));
  }
  return { running, absent };
}

/** Finds entrances that a reload closes, since the settings do not ask for them any more. */
export async function findWithdrawn(site: Site): Promise<WithdrawnEntrance[]> {
  const offered = offeredGroups(site.settings).map(({ group }) => group);
  const withdrawn: WithdrawnEntrance[] = [];
  for (const secured of securedGroups) {
    if (offered.includes(secured.group)) continue;
    const client = await site.client(secured.service);
    if (await isListed(secured, client)) withdrawn.push({ secured, client });
  }
  return withdrawn;
}

/** @throws Failure: it is open after the reload too */
export async function closeWithdrawn({ secured, client }: WithdrawnEntrance): Promise<void> {
  const { entrances } = await client.call(entranceRoutes.reload, { body: {} });
  if (!entrances.some(({ group, isOpen }) => group === secured.group && isOpen)) return;
  throw new Failure(
    `The listener "${secured.group}" of ${secured.service} is open, though its settings do not ask for it.`,
    'Look whether the service has settings of its own, such as TEDGE_ variables, and restart it.',
  );
}

/** A service that does not run has nothing open. */
async function isListed({ group }: SecuredGroup, client: AdminClient): Promise<boolean> {
  try {
    const { entrances } = await client.call(entranceRoutes.list);
    return entrances.some((entrance) => entrance.group === group);
  } catch (fault) {
    if (fault instanceof ServiceUnreachable && fault.isAbsent) return false;
    throw fault;
  }
}

/** One, or one for each connection to a cloud; undefined where the service does not run and need not. */
async function entrancesOf(
  secured: SecuredGroup,
  client: AdminClient,
  level: SecurityLevel,
): Promise<EntranceDescription[] | undefined> {
  const { defaultPort, enabledKey, cloud } = secured;
  try {
    if (defaultPort === undefined || enabledKey !== undefined || cloud !== undefined) await tellOfPort(secured, client);
    return entrancesIn(secured, (await client.call(entranceRoutes.list)).entrances);
  } catch (fault) {
    if (!(fault instanceof ServiceUnreachable)) throw fault;
    const isElsewhere = secured.isReplaceable === true && fault.code === 'ENOENT';
    const mayFollowLater = level === 'plain' && fault.isAbsent;
    if (isElsewhere || mayFollowLater) return undefined;
    throw fault;
  }
}

/** A service whose port was set since it started does not list the entrance before it has read its settings again. */
async function tellOfPort(secured: SecuredGroup, client: AdminClient): Promise<void> {
  if (await isListed(secured, client)) return;
  // Settings that do not fit together yet are what the switch is for. It reloads again, and tells what fails then.
  await client.call(entranceRoutes.reload, { body: {} }).catch((fault: unknown) => {
    if (!(fault instanceof Problem)) throw fault;
  });
}

/**
 * Makes a service read its settings again.
 *
 * @returns the state of the entrance after that
 *
 * @param lowerTo how low the listener may go by that; no lower than it is when absent
 */
export async function reloadEntrance(
  { secured, client, description: { profile } }: RunningEntrance,
  lowerTo?: SecurityLevel,
): Promise<EntranceDescription> {
  const body: EntranceReloadRequest = lowerTo === undefined ? {} : { lowerTo };
  const { entrances } = await client.call(entranceRoutes.reload, { body });
  const entrance = entrancesIn(secured, entrances).find((candidate) => candidate.profile === profile);
  if (entrance !== undefined) return entrance;
  throw noEntrance(secured, entranceName({ group: secured.group, profile }));
}

function entrancesIn(secured: SecuredGroup, entrances: readonly EntranceDescription[]): EntranceDescription[] {
  const found = entrances.filter(({ group }) => group === secured.group);
  if (found.length > 0) return found;
  throw noEntrance(secured, secured.group);
}

function noEntrance({ service }: SecuredGroup, name: string): Failure {
  return new Failure(
    `The service ${service} has no listener "${name}".`,
    'Restart the services; they seem to be of another version.',
  );
}
