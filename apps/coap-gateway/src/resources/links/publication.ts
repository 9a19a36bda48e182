import { crc32 } from 'node:zlib';
import { CoapError } from '@sallyport/coap-wire';
import {
  longestHrefBytes,
  type ResourceHref,
  type ResourceLink,
  resourceHref,
  resourceLink,
} from '@sallyport/protocol';
import { z } from 'zod';

/** Links of one publication. A device that has more publishes them in parts. */
const mostLinks = 250;

/** Longest lifetime of a publication, in seconds: what fits a time of JavaScript, with room to add. */
const longestTtlSeconds = 10_000_000_000;

const names = z.array(z.string().min(1).max(64)).max(32).nullish();

/** A link as devices write it. What the gateway does not know goes back to the device as it came. */
const publishedLink = z.looseObject({
  href: z.string().nullish(),
  rt: names,
  if: names,
  p: z.looseObject({ bm: z.int().min(0).max(0xff).nullish() }).nullish(),
  title: z.string().max(128).nullish(),
});
type PublishedLink = z.output<typeof publishedLink>;

const publicationBody = z.looseObject({
  di: z.string().nullish(),
  links: z.array(publishedLink).max(mostLinks).nullish(),
  ttl: z.int().max(longestTtlSeconds).nullish(),
  lt: z.int().max(longestTtlSeconds).nullish(),
});

/** What a device publishes (OCF Cloud, `/oic/rd`). */
export interface Publication {
  readonly di: string;
  readonly links: readonly ResourceLink[];
  /** Seconds; 0: for ever. */
  readonly ttlSeconds: number;
  /** The links as the device gets them back: with `ins`, and the href as it is kept. */
  readonly echoed: readonly object[];
}

/**
 * Reads the body of a publication, in the order in which plgd's gateway looks at it.
 *
 * @param body decoded CBOR
 * @throws CoapError `4.00`, with what is wrong
 */
export function readPublication(body: unknown): Publication {
  const { data, error } = publicationBody.safeParse(body);
  if (data === undefined) throw invalid(`cbor: cannot unmarshal ${error.issues[0]?.path.join('.') || 'the body'}`);
  const { di, links, ttl, lt } = data;
  if (di === undefined || di === null || di === '') throw invalid('invalid device id');
  if (links === undefined || links === null || links.length === 0) throw invalid('empty links');
  const ttlSeconds = ttl ?? lt ?? -1;
  if (ttlSeconds < 0) throw invalid('invalid TimeToLive');
  const read = links.map(linkFrom);
  const echoed = links.map((link, index) => ({ ...link, di, href: read[index]?.href, ins: read[index]?.ins }));
  return { di, links: read, ttlSeconds, echoed };
}

/** The href as it is kept: begins with `/`, without empty segments and without `/` at its end. */
export function normalisedHref(href: string): ResourceHref | undefined {
  if (href.length > longestHrefBytes) return undefined;
  return resourceHref.safeParse(`/${href}`.replaceAll(/\/+/g, '/').replace(/\/$/, '')).data;
}

/** The number that names a link in `/oic/rd`: CRC-32 (IEEE) of the href as the device wrote it. */
export function insOf(href: string): number {
  return crc32(href);
}

function linkFrom(link: PublishedLink): ResourceLink {
  const original = link.href ?? '';
  const href = normalisedHref(original);
  if (href === undefined) throw invalid('invalid resource href');
  return resourceLink.parse({
    href,
    ins: insOf(original),
    rt: link.rt ?? [],
    if: link.if ?? [],
    // OCF Core §7.8.2.1.2: without a policy, a resource is neither.
    bm: link.p?.bm ?? 0,
    ...(typeof link.title === 'string' ? { title: link.title } : {}),
  });
}

function invalid(what: string): CoapError {
  return new CoapError('4.00', `cannot publish resources: ${what}`);
}
