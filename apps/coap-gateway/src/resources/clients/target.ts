import { CoapError, type CoapRequest } from '@sallyport/coap-wire';
import { canonicalUuid, type OcfUuid, type ResourceHref } from '@sallyport/protocol';
import { normalisedHref } from '../links/publication.js';

/** The resource of another device that a device asks for. */
export interface Target {
  readonly device: OcfUuid;
  readonly href: ResourceHref;
  /** The query `if=`. */
  readonly resourceInterface?: string;
}

const longestInterface = 64;

/** Whether a request is for a resource of another device: `/api/v1/devices/<di>/<href>`. */
export function isForDevice({ path }: CoapRequest): boolean {
  return path[0] === 'api' && path[1] === 'v1' && path[2] === 'devices';
}

/** @throws CoapError `4.00`: the path names no resource of a device */
export function targetOf({ path, query }: CoapRequest): Target {
  const [, , , id = '', ...segments] = path;
  const [device, href] = [canonicalUuid(id), normalisedHref(segments.join('/'))];
  if (device === undefined || href === undefined)
    throw new CoapError('4.00', 'the path is not /api/v1/devices/ with a device id and an href');
  const resourceInterface = new URLSearchParams(query.join('&')).get('if');
  if (resourceInterface === null) return { device, href };
  if (resourceInterface === '' || resourceInterface.length > longestInterface)
    throw new CoapError('4.00', 'the interface in the query cannot be used');
  return { device, href, resourceInterface };
}
