import { type TopicId, topicId } from '@sallyport/protocol';

/** What a message of thin-edge.io is about. */
export type EntityChannel =
  | { readonly kind: 'registration' }
  | { readonly kind: 'twin'; readonly key: string }
  | { readonly kind: 'config' }
  /** Measurements, events, alarms, commands, states: the registry learns from them only that the entity exists. */
  | { readonly kind: 'other' };

export interface EntityTopic {
  readonly id: TopicId;
  readonly channel: EntityChannel;
}

/** Filters of what changes entities. Lost ones would be missed, so they are queued while the registry is away. */
export const stateFilters = ['+/+/+/+', '+/+/+/+/twin/+', '+/+/+/+/config'] as const;

/** Filters of what shows that an entity exists. They may be many, and any later one shows it too. */
export const dataFilters = ['m/+', 'm/+/meta', 'e/+', 'e/+/meta', 'a/+', 'a/+/meta', 'cmd/+', 'status/+'].map(
  (channel) => `+/+/+/+/${channel}`,
);

/** @returns undefined for a topic of no entity */
export function readEntityTopic(root: string, topic: string): EntityTopic | undefined {
  if (!topic.startsWith(`${root}/`)) return undefined;
  const levels = topic.slice(root.length + 1).split('/');
  const { data: id } = topicId.safeParse(levels.slice(0, 4).join('/'));
  if (id === undefined) return undefined;
  const [channel, key, ...more] = levels.slice(4);
  if (channel === undefined) return { id, channel: { kind: 'registration' } };
  if (channel === 'twin' && key !== undefined && more.length === 0) return { id, channel: { kind: 'twin', key } };
  if (channel === 'config' && key === undefined) return { id, channel: { kind: 'config' } };
  return { id, channel: { kind: 'other' } };
}
