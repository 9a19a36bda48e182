import type { TopicId } from '@sallyport/protocol';

/** Written by every change of the tree, so that replicas notice each other's changes. */
export const treeKey = 'entities/tree';
export const entityPrefix = 'entities/entity/';
export const outboxPrefix = 'entities/outbox/';
export const totalUsageKey = 'entities/usage';

/** What is stored of an entity beside the entity itself. */
export type EntityDocument = 'twin' | 'config';

export function entityKey(id: TopicId): string {
  return entityPrefix + keyOf(id);
}

export function documentKey(document: EntityDocument, id: TopicId): string {
  return `entities/${document}/${keyOf(id)}`;
}

/** @param owner first two levels of a topic id */
export function usageKey(owner: string): string {
  return `entities/usage/${keyOf(owner)}`;
}

/** No segment of a key is empty, but levels of a topic id may be. */
function keyOf(levels: string): string {
  return levels
    .split('/')
    .map((level) => `=${level}`)
    .join('/');
}
