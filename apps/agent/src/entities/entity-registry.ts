import type { RpcClient } from '@sallyport/mqtt';
import {
  type DeviceId,
  type Entity,
  type EntityFilter,
  listEntities,
  Problem,
  removeEntity,
  type TopicId,
} from '@sallyport/protocol';

const mostReadings = 10;

/**
 * Lists entities page by page. If one is registered or removed in between, it starts again.
 *
 * @throws Problem `unavailable`: the registry does not answer, or they change all the time
 */
export async function listAllEntities(rpc: RpcClient, filter: EntityFilter): Promise<Entity[]> {
  for (let reading = 0; reading < mostReadings; reading += 1) {
    const list = await listOnce(rpc, filter);
    if (list !== undefined) return list;
  }
  throw new Problem('unavailable', 'The entities change too fast to be listed. Try again.', { retryAfterSeconds: 1 });
}

/** @returns undefined when the entities changed between two pages */
async function listOnce(rpc: RpcClient, filter: EntityFilter): Promise<Entity[] | undefined> {
  const first = await rpc.call(listEntities, { filter, offset: 0 });
  const list = [...first.entities];
  for (let isComplete = first.isComplete; !isComplete; ) {
    const page = await rpc.call(listEntities, { filter, offset: list.length });
    if (page.version !== first.version) return undefined;
    list.push(...page.entities);
    isComplete = page.isComplete;
  }
  return list;
}

/**
 * Removes an entity and all below it.
 *
 * @returns what was removed, the entity itself first; empty if there was none
 * @throws Problem as the registry does; what was removed before stays removed
 */
export async function removeAll(rpc: RpcClient, id: TopicId, changer: DeviceId | undefined): Promise<Entity[]> {
  const removed: Entity[] = [];
  const request = { topicId: id, ...(changer === undefined ? {} : { changer }) };
  for (;;) {
    const batch = await rpc.call(removeEntity, request);
    removed.push(...batch.removed);
    if (batch.isComplete) return removed.reverse();
  }
}
