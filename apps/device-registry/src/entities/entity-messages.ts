import type { Entity, EntityFragments, EntityJson, TopicId } from '@sallyport/protocol';

/** The topic of an entity, with the topic root. Topics of the entity begin with it and one more slash. */
export function entityTopic(root: string, id: TopicId): string {
  return `${root}/${id}`;
}

/** The retained registration, as thin-edge.io writes it: compact, its members in alphabetical order. */
export function registrationText(entity: Entity, twin: EntityFragments = {}): string {
  const { '@topic-id': _id, ...fields } = entity;
  return JSON.stringify(sorted({ ...twin, ...present(fields) }));
}

/** The retained message of a fragment: its JSON; empty when there is none. */
export function fragmentText(value: EntityJson | undefined): string {
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

/** Its members in the order of their keys, also below. */
export function sorted(fragments: EntityFragments): EntityFragments {
  const entries = Object.entries(fragments).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, value]) => [key, sortedJson(value)]));
}

function sortedJson(value: EntityJson): EntityJson {
  if (Array.isArray(value)) return value.map(sortedJson);
  return typeof value === 'object' && value !== null ? sorted(value) : value;
}

function present(fields: { readonly [key: string]: string | undefined }): EntityFragments {
  return Object.fromEntries(
    Object.entries(fields).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
  );
}
