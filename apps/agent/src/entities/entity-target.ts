import { parseTopicId, type TopicId } from '@sallyport/protocol';

/** What a path of the entity API names. */
export type EntityTarget =
  | { readonly kind: 'collection' }
  | { readonly kind: 'entity'; readonly id: TopicId }
  | { readonly kind: 'twin'; readonly id: TopicId; readonly key?: string }
  | { readonly kind: 'config'; readonly id: TopicId; readonly key?: string }
  | { readonly kind: 'fault'; readonly status: 400 | 404; readonly error: string };

export const entitiesRoute = '/te/v1/entities';

/** Whether a request is for the entity API, by its target as received. */
export function isEntityRoute(url: string): boolean {
  const path = pathOf(url);
  return path === entitiesRoute || (path.startsWith(`${entitiesRoute}/`) && path.length > entitiesRoute.length + 1);
}

/** The part of a request target in origin form before the query, still percent-encoded. */
export function pathOf(url: string): string {
  const end = url.search(/[?#]/);
  return end < 0 ? url : url.slice(0, end);
}

/**
 * Reads what a path names. An entity has two to four levels; what belongs to an entity comes after all four, of which
 * some may be empty (`device/child01///twin`). So no slash is ever left out.
 *
 * @param path below `/te/v1/entities/`, decoded; empty for the collection
 */
export function readEntityTarget(path: string): EntityTarget {
  if (path === '') return { kind: 'collection' };
  const levels = path.split('/');
  if (levels.length < 2) return { kind: 'fault', status: 404, error: 'Not Found' };
  const read = parseTopicId(levels.slice(0, 4).join('/'));
  if ('fault' in read) return { kind: 'fault', status: 400, error: read.fault };
  const [channel, ...keys] = levels.slice(4);
  if (channel === undefined) return { kind: 'entity', id: read.id };
  const [key, ...more] = keys;
  if (channel === 'twin' && more.length > 0) return { kind: 'fault', status: 400, error: badTwinKey(keys.join('/')) };
  if (channel === 'twin' || (channel === 'config' && more.length === 0))
    return { kind: channel, id: read.id, ...(key === undefined ? {} : { key }) };
  if (channel === 'config') return { kind: 'fault', status: 404, error: 'Not Found' };
  return { kind: 'fault', status: 404, error: `Actions on channel: ${channel} are not supported` };
}

/** In the words of thin-edge.io. */
export function badTwinKey(key: string): string {
  return `Invalid twin key: '${key}'. Keys that are empty, containing '/' or starting with '@' are not allowed`;
}
