import type { AdminClient } from '@sallyport/admin-client';
import {
  type EntranceDescription,
  type EntranceReloadRequest,
  entranceRoutes,
  type SecurityLevel,
} from '@sallyport/protocol';
import { ServiceUnreachable } from '../admin/service-unreachable.js';
import { Failure } from '../failure.js';
import { offeredGroups, type SecuredGroup } from '../site/secured-group.js';
import type { Site } from '../site/site.js';

/** An entrance of a service that runs. */
export interface RunningEntrance {
  readonly secured: SecuredGroup;
  readonly client: AdminClient;
  readonly description: EntranceDescription;
}

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
    const entrance = await entranceOf(secured, client, level);
    if (entrance === undefined) absent.push(secured);
    else running.push({ secured, client, description: entrance });
  }
  return { running, absent };
}

async function entranceOf(
  secured: SecuredGroup,
  client: AdminClient,
  level: SecurityLevel,
): Promise<EntranceDescription | undefined> {
  try {
    return entranceIn(secured, (await client.call(entranceRoutes.list)).entrances);
  } catch (fault) {
    if (!(fault instanceof ServiceUnreachable)) throw fault;
    const isElsewhere = secured.isReplaceable === true && fault.code === 'ENOENT';
    const mayFollowLater = level === 'plain' && ['ENOENT', 'ECONNREFUSED'].includes(fault.code);
    if (isElsewhere || mayFollowLater) return undefined;
    throw fault;
  }
}

/**
 * Makes a service read its settings again.
 *
 * @returns the state of the entrance after that
 *
 * @param lowerTo how low the listener may go by that; no lower than it is when absent
 */
export async function reloadEntrance(
  { secured, client }: Pick<RunningEntrance, 'secured' | 'client'>,
  lowerTo?: SecurityLevel,
): Promise<EntranceDescription> {
  const body: EntranceReloadRequest = lowerTo === undefined ? {} : { lowerTo };
  return entranceIn(secured, (await client.call(entranceRoutes.reload, { body })).entrances);
}

function entranceIn({ group, service }: SecuredGroup, entrances: readonly EntranceDescription[]): EntranceDescription {
  const entrance = entrances.find((candidate) => candidate.group === group);
  if (entrance !== undefined) return entrance;
  throw new Failure(
    `The service ${service} has no listener "${group}".`,
    'Restart the services; they seem to be of another version.',
  );
}
