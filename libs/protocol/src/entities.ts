import { z } from 'zod';
import { deviceId } from './ids.js';
import { defineRpc, serviceTopicRoot } from './rpc.js';
import { topicId } from './topic-id.js';

/** What thin-edge.io calls the kind of an entity. Only the main device is a `device`. */
export const entityType = z.enum(['device', 'child-device', 'service']);
export type EntityType = z.infer<typeof entityType>;

/** An entity as the HTTP API of thin-edge.io shows it; the order of its members is part of the API. */
export const entity = z.strictObject({
  '@topic-id': topicId,
  '@parent': topicId.optional(),
  '@type': entityType,
  /** Its id outside, such as in a cloud. */
  '@id': z.string().min(1).max(256).optional(),
  /** The service whose health stands for this entity. */
  '@health': topicId.optional(),
});
export type Entity = z.infer<typeof entity>;

/** Any JSON. It was parsed from JSON already, so nothing else can come. */
export type EntityJson = null | boolean | number | string | EntityJson[] | { [key: string]: EntityJson };

/** Fragments of a digital twin, or settings, by key. No `z.record`: it drops a key called `__proto__`. */
export const entityFragments = z.custom<{ [key: string]: EntityJson }>(
  (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
);
export type EntityFragments = z.infer<typeof entityFragments>;

/** The device that asks for a change, proved by its certificate. Absent: a party that may change every entity. */
const changer = deviceId.optional();

const contract = (name: string) => `${serviceTopicRoot}/rpc/device-registry/${name}`;

/** Registers an entity. A second time, it answers `conflict`. */
export const registerEntity = defineRpc({
  pattern: contract('register-entity'),
  request: z.strictObject({ entity, twin: entityFragments, changer }),
  response: z.strictObject({}),
});
export type EntityRegistration = z.infer<typeof registerEntity.request>;

export const findEntity = defineRpc({
  pattern: contract('find-entity'),
  request: z.strictObject({ topicId }),
  response: z.strictObject({ entity: entity.optional() }),
});

/** Which entities to list. `root` and `parent` exclude each other. */
const entityFilter = z.strictObject({
  /** The entity itself and all below it. */
  root: topicId.optional(),
  /** Its direct children. */
  parent: topicId.optional(),
  type: entityType.optional(),
});
export type EntityFilter = z.infer<typeof entityFilter>;

/**
 * One page, breadth first. `version` is that of the list; when it differs from that of the page before, an entity was
 * registered or removed in between, and the list must be read anew.
 */
export const listEntities = defineRpc({
  pattern: contract('list-entities'),
  request: z.strictObject({ filter: entityFilter, offset: z.int().min(0) }),
  response: z.strictObject({ entities: z.array(entity), version: z.int(), isComplete: z.boolean() }),
});

/** Changes the place of an entity, or whose health stands for it. */
export const updateEntity = defineRpc({
  pattern: contract('update-entity'),
  request: z.strictObject({
    topicId,
    parent: topicId.nullable().optional(),
    health: topicId.nullable().optional(),
    changer,
  }),
  response: z.strictObject({ entity }),
});
export type EntityUpdate = z.infer<typeof updateEntity.request>;

/** Removes an entity and all below it, some at a time. The lowest go first, so that nothing is ever without parent. */
export const removeEntity = defineRpc({
  pattern: contract('remove-entity'),
  request: z.strictObject({ topicId, changer }),
  /** In the order of their removal. Ask again until it is complete. */
  response: z.strictObject({ removed: z.array(entity), isComplete: z.boolean() }),
});

/** Reads the digital twin, or one fragment of it. */
export const readEntityTwin = defineRpc({
  pattern: contract('read-entity-twin'),
  request: z.strictObject({ topicId, key: z.string().optional() }),
  response: z.strictObject({ twin: entityFragments }),
});

/** Writes fragments of the digital twin; null removes one. */
export const writeEntityTwin = defineRpc({
  pattern: contract('write-entity-twin'),
  request: z.strictObject({
    topicId,
    fragments: entityFragments,
    /** Whether the fragments that are not named go. */
    isWhole: z.boolean(),
    changer,
  }),
  response: z.strictObject({}),
});
export type TwinChange = z.infer<typeof writeEntityTwin.request>;

/** Reads the settings that an entity shows, or one of them. */
export const readEntityConfig = defineRpc({
  pattern: contract('read-entity-config'),
  request: z.strictObject({ topicId, key: z.string().optional() }),
  response: z.strictObject({ config: entityFragments }),
});

/** Whether a fragment may have this key: it is one level of a topic, and `@` begins the fields of the entity. */
export function isTwinKey(key: string): boolean {
  return key !== '' && key.length <= 128 && !key.startsWith('@') && !/[/#+\p{Cc}]/u.test(key) && key.isWellFormed();
}
