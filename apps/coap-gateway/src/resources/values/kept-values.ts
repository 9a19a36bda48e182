import { Injectable } from '@nestjs/common';
import { etagOf } from '@sallyport/coap-wire';
import type { DeviceId, ResourceHref, ResourceLink } from '@sallyport/protocol';
import type { JsonValue } from '@sallyport/store';
import { type Alias, type Micros, type Resource, Twin } from '@sallyport/twin';
import { aliasOf } from './href-alias.js';

/** What one value may take in the store. Of a larger one only its size is kept. */
const largestValueBytes = 60 * 1024;

/** The text of the JSON of a value, at most `largestValueBytes` long. */
export type ValueText = string;

/** A device at the gateway, for the events of what it writes. */
export interface ValueSender {
  readonly deviceId: DeviceId;
  readonly remoteAddress: string;
}

/** The value of a resource, as the device told it last. */
export interface KeptValue {
  readonly content: JsonValue;
  readonly atMicros: Micros;
  /** Names this value (RFC 7252 §5.10.6). */
  readonly etag: Buffer;
}

/** The last values of the resources of devices, each as the text of its JSON. */
@Injectable()
export class KeptValues {
  constructor(private readonly twin: Twin) {}

  /**
   * Writes values that a device told now. Values that are as before are left out: to be connected anew is no news.
   *
   * @throws Problem as `Twin.write`
   */
  async write({ deviceId, remoteAddress }: ValueSender, values: ReadonlyMap<ResourceHref, ValueText>): Promise<void> {
    const before = await this.twin.resources(deviceId);
    const changed = new Map<string, string>();
    for (const [href, text] of values) {
      const alias = aliasOf(href);
      if (before.get(alias)?.reported?.value !== text) changed.set(alias, text);
    }
    if (changed.size === 0) return;
    await this.twin.write(deviceId, changed, { source: { protocol: 'coap', address: remoteAddress } });
  }

  async read(deviceId: DeviceId, href: ResourceHref): Promise<KeptValue | undefined> {
    return keptOf((await this.twin.resources(deviceId)).get(aliasOf(href)));
  }

  /** @returns the value of an href */
  async all(deviceId: DeviceId): Promise<(href: ResourceHref) => KeptValue | undefined> {
    const resources = await this.twin.resources(deviceId);
    return (href) => keptOf(resources.get(aliasOf(href)));
  }

  /** The value as soon as it is later than `sinceMicros`; undefined when the signal ended the wait. */
  async change(
    deviceId: DeviceId,
    href: ResourceHref,
    options: { readonly sinceMicros: Micros; readonly signal: AbortSignal },
  ): Promise<KeptValue | undefined> {
    const point = await this.twin.waitForChange(deviceId, aliasOf(href), options);
    return point && keptOf({ reported: point });
  }

  /**
   * Removes the values of all resources but the published ones. What is told while it does so stays.
   *
   * @param published read after the values: a resource that is published by then keeps its value
   */
  async keepOnly(deviceId: DeviceId, published: () => Promise<readonly ResourceLink[]>): Promise<void> {
    const resources = await this.twin.resources(deviceId);
    const kept = new Set<Alias>((await published()).map(({ href }) => aliasOf(href)));
    const others = [...resources.keys()].filter((alias) => !kept.has(alias));
    const times = [...resources.values()].map(({ reported }) => reported?.atMicros ?? 0);
    await this.twin.forgetAliases(deviceId, others, { untilMicros: Math.max(0, ...times) });
  }

  forget(deviceId: DeviceId): Promise<void> {
    return this.twin.forget(deviceId);
  }
}

/** A value as it is kept: the text of its JSON, or of what stands for one that is too large. */
export function valueText(content: JsonValue): ValueText {
  const text = JSON.stringify(content);
  const bytes = Buffer.byteLength(text);
  return bytes <= largestValueBytes ? text : JSON.stringify({ $tooLarge: bytes });
}

function keptOf(resource: Resource | undefined): KeptValue | undefined {
  const { reported } = resource ?? {};
  if (reported === undefined) return undefined;
  const etag = etagOf(reported.value);
  return { content: JSON.parse(reported.value), atMicros: reported.atMicros, etag };
}
