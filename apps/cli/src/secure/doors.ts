import { type EntranceDescription, entranceList } from '@sallyport/protocol';
import type { AdminClient } from '../admin/admin-client.js';
import { ServiceUnreachable } from '../admin/service-unreachable.js';
import { Failure } from '../failure.js';
import { type SecuredGroup, securedGroups } from '../site/secured-group.js';
import type { Site } from '../site/site.js';

/** A listener of a running service. */
export interface Door {
  readonly secured: SecuredGroup;
  readonly client: AdminClient;
  readonly entrance: EntranceDescription;
}

/**
 * Finds the listeners of the site. An MQTT broker that is not part of it (no socket) is passed over; any other service
 * must run, or the site would end up half changed.
 *
 * @throws Failure: a service does not run or does not answer
 */
export async function findDoors(site: Site): Promise<{ doors: Door[]; absent: SecuredGroup[] }> {
  const doors: Door[] = [];
  const absent: SecuredGroup[] = [];
  for (const secured of securedGroups) {
    const client = await site.client(secured.service);
    const entrance = await entranceOf(secured, client);
    if (entrance === undefined) absent.push(secured);
    else doors.push({ secured, client, entrance });
  }
  return { doors, absent };
}

async function entranceOf(secured: SecuredGroup, client: AdminClient): Promise<EntranceDescription | undefined> {
  try {
    return entranceIn(secured, (await client.get('/v1/entrance', entranceList)).entrances);
  } catch (fault) {
    const isElsewhere = secured.group === 'mqtt' && fault instanceof ServiceUnreachable && fault.code === 'ENOENT';
    if (isElsewhere) return undefined;
    throw fault;
  }
}

/** Lets a service read its settings again; the state of the listener afterwards. */
export async function reloadDoor({ secured, client }: Pick<Door, 'secured' | 'client'>): Promise<EntranceDescription> {
  return entranceIn(secured, (await client.post('/v1/entrance/reload', {}, entranceList)).entrances);
}

function entranceIn({ group, service }: SecuredGroup, entrances: readonly EntranceDescription[]): EntranceDescription {
  const entrance = entrances.find((candidate) => candidate.group === group);
  if (entrance !== undefined) return entrance;
  throw new Failure(
    `The service ${service} has no listener "${group}".`,
    'Restart the services; they seem to be of another version.',
  );
}
