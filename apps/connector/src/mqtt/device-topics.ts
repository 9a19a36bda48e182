import { isTopicName, type ResourceAlias, resourceAlias } from '@sallyport/protocol';

/** What a device publishes to. */
export type UplinkTopic =
  | { readonly kind: 'value'; readonly alias: ResourceAlias }
  /** Values of former times: see `parseBatch`. */
  | { readonly kind: 'batch' }
  /** A device without a credential asks for one. */
  | { readonly kind: 'provision'; readonly identity: string };

const valuePrefix = '$resource/';
const batchTopic = '$resource.batch';
const provisionPrefix = '$provision/';

/** @returns undefined for a topic that means nothing here, and for an alias that cannot be one */
export function uplinkTopicOf(topic: string): UplinkTopic | undefined {
  if (topic === batchTopic) return { kind: 'batch' };
  if (topic.startsWith(valuePrefix)) {
    const alias = resourceAlias.safeParse(topic.slice(valuePrefix.length));
    return alias.success ? { kind: 'value', alias: alias.data } : undefined;
  }
  const identity = topic.startsWith(provisionPrefix) ? topic.slice(provisionPrefix.length) : '';
  return identity === '' ? undefined : { kind: 'provision', identity };
}

/**
 * Where a device finds a value that was set for it: `$resource/valve/1700000000000000`.
 *
 * @returns undefined for an alias with `+` or `#`, which a topic cannot have
 */
export function commandTopicOf(alias: string, atMicros: number): string | undefined {
  const topic = `${valuePrefix}${alias}/${atMicros}`;
  return isTopicName(topic) ? topic : undefined;
}

/**
 * Whether a device may subscribe to a filter. Everything that matches is sent without a subscription too, so the answer
 * is only for clients that cannot do without. `#` matches no topic of ours (MQTT 5.0 §4.7.2), so it is refused.
 */
export function isImpliedFilter(filter: string): boolean {
  return filter.startsWith(valuePrefix) || filter.startsWith(provisionPrefix);
}
