import { type CoapResponse, contentFormats, type OutgoingRequest } from '@sallyport/coap-wire';
import type { ResourceHref } from '@sallyport/protocol';
import { z } from 'zod';
import { decodeCbor } from '../../cbor/cbor.js';
import { normalisedHref } from '../links/publication.js';

/** What a device tells of itself in `/oic/res`. */
export interface ToldResources {
  readonly hrefs: ReadonlySet<ResourceHref>;
  /** Whether `/oic/res` itself can be observed as a batch of all resources. */
  readonly isBatchObservable: boolean;
}

/**
 * plgd's resource for the state of a device at the gateway. A device may publish it, and has nothing to tell about it: the
 * gateway answers for it.
 */
export const gatewayStatus = '/plgd/s';

const observableBit = 2;
const mostTold = 1_000;

/** Whether a link says that its resource can be observed (OCF Core §7.8.2.1.2). */
export function isObservable({ bm }: { readonly bm: number }): boolean {
  return (bm & observableBit) !== 0;
}

export const resourceList: OutgoingRequest = ocfGet(['oic', 'res'], ['if=oic.if.ll']);
export const resourceBatch: OutgoingRequest = ocfGet(['oic', 'res'], ['if=oic.if.b']);

export function resourceRequest(href: ResourceHref): OutgoingRequest {
  return ocfGet(pathOf(href), []);
}

/** The segments of an href, for Uri-Path. */
export function pathOf(href: ResourceHref): string[] {
  return href.slice(1).split('/');
}

function ocfGet(path: readonly string[], query: readonly string[]): OutgoingRequest {
  return { method: 'GET', path, query, accept: contentFormats.ocfCbor };
}

const toldLink = z.looseObject({
  href: z.string(),
  if: z.array(z.string()).nullish(),
  p: z.looseObject({ bm: z.int().nullish() }).nullish(),
});

/** Links as they are, or as OIC 1.1 wrote them: in an object for each device. */
const toldLinks = z
  .array(
    z.union([
      toldLink.transform((link) => [link]),
      z.looseObject({ links: z.array(toldLink) }).transform(({ links }) => links),
    ]),
  )
  .transform((lists) => lists.flat());

/** @returns undefined: the device did not answer with its resources */
export function toldResourcesOf({ code, payload = Buffer.alloc(0) }: CoapResponse): ToldResources | undefined {
  if (code !== '2.05') return undefined;
  const { data: links } = toldLinks.safeParse(decodedOr(payload));
  if (links === undefined || links.length > mostTold) return undefined;
  const itself = links.find(({ href }) => href === '/oic/res');
  return {
    hrefs: new Set(links.flatMap(({ href }) => normalisedHref(href) ?? [])),
    isBatchObservable: itself?.if?.includes('oic.if.b') === true && isObservable({ bm: itself.p?.bm ?? 0 }),
  };
}

const batchEntries = z.array(z.looseObject({ href: z.string(), rep: z.unknown() })).max(mostTold);

/** One resource of a batch (OCF Core §7.6.3.4). */
export interface BatchEntry {
  readonly href: ResourceHref;
  readonly representation: unknown;
}

/**
 * The resources of a batch. An empty representation is left out: the device does not show that resource.
 *
 * @throws CoapError `4.00`: it is no batch
 */
export function batchOf(payload: Buffer): BatchEntry[] {
  const { data: entries = [] } = batchEntries.safeParse(decodeCbor(payload));
  return entries.flatMap(({ href, rep }) => {
    const known = normalisedHref(href.replace(/^ocf:\/\/[^/]*/, ''));
    return known === undefined || isEmpty(rep) ? [] : [{ href: known, representation: rep }];
  });
}

function isEmpty(value: unknown): boolean {
  return typeof value !== 'object' || value === null || Object.keys(value).length === 0;
}

function decodedOr(payload: Buffer): unknown {
  try {
    return decodeCbor(payload);
  } catch {
    // A device that answers something else has told us nothing.
    return undefined;
  }
}
