import {
  type DeviceId,
  deviceTopicId,
  type Entity,
  type EntityUpdate,
  mainDevice,
  Problem,
  readDefaultTopicId,
  type TopicId,
} from '@sallyport/protocol';
import { entityLimits, limitReached } from './entity-limits.js';
import { type EntityTree, ownerOf } from './entity-tree.js';

/** Where an entity is put that names no parent: a service below its device, anything else below the main device. */
export function withParent(entity: Entity): Entity {
  const { '@topic-id': id, '@parent': parent, '@type': type } = entity;
  if (parent !== undefined || type === 'device') return entity;
  const place = type === 'service' ? readDefaultTopicId(id) : undefined;
  return { ...entity, '@parent': place?.service === undefined ? mainDevice : deviceTopicId(place.device) };
}

/**
 * Checks an entity that is registered, or registered again with other fields.
 *
 * @throws Problem `invalid-request`, `storage-full`: in the words of thin-edge.io where it has any
 */
export function checkEntity(tree: EntityTree, entity: Entity): void {
  const { '@topic-id': id, '@parent': parent, '@type': type } = entity;
  if ((type === 'device') !== (id === mainDevice)) throw mainDeviceTaken(id);
  if (parent === undefined) return;
  if (id === mainDevice) throw new Problem('invalid-request', 'The parent of main device can not be updated');
  checkParent(tree, id, parent);
  checkRoom(tree, id);
}

/** @throws Problem `invalid-request` */
function checkParent(tree: EntityTree, id: TopicId, parent: TopicId): void {
  if (parent === id) throw new Problem('invalid-request', `Entity: '${id}' can not be its own parent`);
  const above = tree.get(parent);
  if (above === undefined) throw unknownParent(parent);
  if (above['@type'] === 'service')
    throw new Problem(
      'invalid-request',
      `Entity: '${parent}' can not be a parent of '${id}' because it is a service. Only devices can be parents`,
    );
  if (tree.isWithin(parent, id))
    throw new Problem(
      'invalid-request',
      `Entity: '${parent}' can not be a parent of '${id}' because '${parent}' is a descendent of '${id}'`,
    );
  if (tree.depthOf(parent) + tree.heightOf(id) > entityLimits.depth)
    throw new Problem(
      'invalid-request',
      `Entity: '${id}' would be more than ${entityLimits.depth} levels below the main device. Choose a parent that is higher.`,
    );
}

/** @throws Problem `storage-full` */
function checkRoom(tree: EntityTree, id: TopicId): void {
  if (tree.has(id)) return;
  const owner = ownerOf(id);
  if (owner !== ownerOf(mainDevice) && tree.countOf(owner) >= entityLimits.entitiesOfDevice)
    throw limitReached(
      `${owner} has ${entityLimits.entitiesOfDevice} entities, which is as many as one device may have. Remove some of them first.`,
    );
  if (tree.size >= entityLimits.entities)
    throw limitReached(
      `There are ${entityLimits.entities} entities, which is as many as this registry keeps. Remove some of them first.`,
    );
}

/**
 * The entity as an update makes it.
 *
 * @throws Problem `invalid-request`
 */
export function updated(tree: EntityTree, entity: Entity, { parent, health }: EntityUpdate): Entity {
  const { '@health': _former, ...rest } = entity;
  if (parent !== undefined && entity['@type'] === 'device')
    throw new Problem('invalid-request', 'The parent of main device can not be updated');
  if (parent === null)
    throw new Problem('invalid-request', `Entity: '${entity['@topic-id']}' can not be without a parent`);
  if (health !== undefined && health !== null) checkHealth(tree, entity['@topic-id'], health);
  const kept = health === undefined ? entity['@health'] : (health ?? undefined);
  const after = {
    ...rest,
    ...(parent === undefined ? {} : { '@parent': parent }),
    ...(kept === undefined ? {} : { '@health': kept }),
  };
  if (parent !== undefined) checkEntity(tree, after);
  return after;
}

function checkHealth(tree: EntityTree, id: TopicId, health: TopicId): void {
  const endpoint = tree.get(health);
  if (endpoint === undefined)
    throw new Problem('invalid-request', `The specified health endpoint: ${health} does not exist in the entity store`);
  if (endpoint['@type'] !== 'service')
    throw new Problem(
      'invalid-request',
      `Entity: '${health}' can not be a health endpoint of '${id}' because it is not a service. Only services can be health endpoints`,
    );
}

/**
 * A device may change itself and what is below it: by topic id, as the broker has it, or by parent. So it cannot take
 * the name of another device, and cannot put itself below one.
 *
 * @param changer the device that asks; absent: a party that may change every entity
 * @throws Problem `forbidden`
 */
export function checkChanger(tree: EntityTree, changer: DeviceId | undefined, id: TopicId): void {
  if (changer === undefined || mayChange(tree, changer, id)) return;
  throw new Problem(
    'forbidden',
    `${changer} may change ${ownerOf(deviceTopicId(changer))} and what is below it, but not ${id}.`,
  );
}

/** @throws Problem `forbidden`: the parent is neither the main device nor an entity the changer may change. */
export function checkChosenParent(tree: EntityTree, changer: DeviceId | undefined, parent: TopicId | undefined): void {
  if (changer === undefined || parent === undefined || parent === mainDevice || mayChange(tree, changer, parent))
    return;
  throw new Problem('forbidden', `${changer} may put an entity below the main device or below itself, not ${parent}.`);
}

function mayChange(tree: EntityTree, changer: DeviceId, id: TopicId): boolean {
  const own = deviceTopicId(changer);
  // Nobody but the gateway changes the main device, not even a device that is called like it.
  if (ownerOf(id) === ownerOf(mainDevice)) return false;
  return ownerOf(id) === ownerOf(own) || (tree.has(own) && tree.isWithin(id, own));
}

/** @throws Problem `not-found` */
export function requireEntity(tree: EntityTree, id: TopicId): Entity {
  const found = tree.get(id);
  if (found === undefined)
    throw new Problem('not-found', `The specified entity: ${id} does not exist in the entity store`);
  return found;
}

function unknownParent(parent: TopicId): Problem {
  return new Problem(
    'invalid-request',
    `The specified parent ${JSON.stringify(parent)} does not exist in the entity store`,
  );
}

function mainDeviceTaken(id: TopicId): Problem {
  return id === mainDevice
    ? new Problem('invalid-request', `Updating the entity type of ${id} is not supported`)
    : new Problem('invalid-request', `The main device was already registered at topic ${mainDevice}`);
}
