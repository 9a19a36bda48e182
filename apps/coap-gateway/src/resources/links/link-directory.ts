import { Injectable } from '@nestjs/common';
import { KeyedSerialQueue } from '@sallyport/concurrency';
import { type OcfUuid, Problem, type ResourceHref, type ResourceLink, resourceLink } from '@sallyport/protocol';
import { Clock } from '@sallyport/runtime';
import { type JsonValue, Store } from '@sallyport/store';
import { z } from 'zod';

export const linkPrefix = 'links/';

// Two replicas may write the links of one device: the connection it had, and the one it has now.
const mostTries = 10;
const mostLinks = 500;
const mostBytes = 256 * 1024;

/** `until`: milliseconds since 1970; absent: for ever. */
const storedLink = resourceLink.extend({ until: z.int().exactOptional() });
type StoredLink = z.infer<typeof storedLink>;
const storedLinks = z.strictObject({ links: z.array(storedLink) });

/** What is done with the links of a device; undefined: they stay as they are. */
type Change = (links: readonly StoredLink[]) => readonly StoredLink[] | undefined;

/**
 * The resources that devices have published. Everybody reads the same links, whatever replica the device is at.
 *
 * Every method throws Problem as the store does.
 */
@Injectable()
export class LinkDirectory {
  // A device may send several publications at once. They would overtake each other, and each try costs all its links.
  private readonly queues = new KeyedSerialQueue<OcfUuid>();

  constructor(
    private readonly store: Store,
    private readonly clock: Clock,
  ) {}

  /** In the order in which they were published first. */
  async linksOf(device: OcfUuid): Promise<readonly ResourceLink[]> {
    const { links } = await this.read(device);
    return links.map(({ until: _, ...link }) => link);
  }

  async find(device: OcfUuid, href: ResourceHref): Promise<ResourceLink | undefined> {
    return (await this.linksOf(device)).find((link) => link.href === href);
  }

  /**
   * Adds links. A link that is there already gets what is published now.
   *
   * @param ttlSeconds 0: for ever
   * @throws Problem `too-large`: the device would have too many links
   */
  async publish(device: OcfUuid, links: readonly ResourceLink[], ttlSeconds: number): Promise<void> {
    const until = ttlSeconds === 0 ? {} : { until: this.nowMs() + ttlSeconds * 1000 };
    await this.change(device, (present) => {
      const byHref = new Map(present.map((link) => [link.href, link]));
      for (const link of links) byHref.set(link.href, { ...link, ...until });
      return [...byHref.values()];
    });
  }

  /** @returns the links that were removed */
  async unpublish(device: OcfUuid, isRemoved: (link: ResourceLink) => boolean): Promise<readonly ResourceLink[]> {
    let removed: readonly StoredLink[] = [];
    await this.change(device, (present) => {
      removed = present.filter(isRemoved);
      return removed.length === 0 ? undefined : present.filter((link) => !isRemoved(link));
    });
    return removed;
  }

  async forget(device: OcfUuid): Promise<void> {
    await this.store.delete(keyOf(device));
  }

  private change(device: OcfUuid, change: Change): Promise<void> {
    return this.queues.run(device, () => this.tryToChange(device, change));
  }

  private async tryToChange(device: OcfUuid, change: Change): Promise<void> {
    for (let tries = 0; tries < mostTries; tries += 1) {
      const { links, revision } = await this.read(device);
      const changed = change(links);
      if (changed === undefined || (await this.isWritten(device, { links: [...changed] }, revision))) return;
    }
    throw new Problem('unavailable', 'The links of the device change too fast. Publish them again.');
  }

  private async isWritten(device: OcfUuid, value: z.infer<typeof storedLinks>, revision: number): Promise<boolean> {
    checkSize(value);
    const key = keyOf(device);
    const operation = value.links.length === 0 ? ({ delete: key } as const) : { put: key, value: plain(value) };
    const { committed } = await this.store.transaction([{ key, revision }], [operation]);
    return committed;
  }

  /** The links that still count. */
  private async read(device: OcfUuid): Promise<{ readonly links: readonly StoredLink[]; readonly revision: number }> {
    const entry = await this.store.get(keyOf(device));
    if (entry === undefined) return { links: [], revision: 0 };
    const { links } = storedLinks.parse(entry.value);
    const nowMs = this.nowMs();
    return { links: links.filter(({ until }) => until === undefined || until > nowMs), revision: entry.revision };
  }

  private nowMs(): number {
    return this.clock.now().getTime();
  }
}

function keyOf(device: OcfUuid): string {
  return `${linkPrefix}${device}`;
}

function checkSize(value: z.infer<typeof storedLinks>): void {
  if (value.links.length > mostLinks)
    throw new Problem('too-large', `A device publishes at most ${mostLinks} resources, not ${value.links.length}.`);
  const bytes = Buffer.byteLength(JSON.stringify(value));
  if (bytes > mostBytes)
    throw new Problem('too-large', `The links of a device take at most ${mostBytes} bytes, not ${bytes}.`);
}

function plain({ links }: z.infer<typeof storedLinks>): JsonValue {
  return { links: links.map((link) => ({ ...link, rt: [...link.rt], if: [...link.if] })) };
}
