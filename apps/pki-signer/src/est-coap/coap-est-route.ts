import { CoapError, type CoapRequest, contentFormats } from '@sallyport/coap-wire';
import { estPath, type LeafProfile, Problem } from '@sallyport/protocol';
import { meaningOf } from '../est/est-route.js';

/** What can be asked for, the method of each, and the formats of its answer: the first is the usual one (RFC 9148 §4.3). */
const resources = {
  core: { method: 'GET', formats: [contentFormats.linkFormat] },
  crts: { method: 'GET', formats: [contentFormats.certsOnly, contentFormats.pkixCertificate] },
  att: { method: 'GET', formats: [contentFormats.csrAttributes] },
  sen: { method: 'POST', formats: [contentFormats.certsOnly, contentFormats.pkixCertificate] },
  sren: { method: 'POST', formats: [contentFormats.certsOnly, contentFormats.pkixCertificate] },
  'authz-info': { method: 'POST', formats: [] },
} as const;
export type CoapEstResource = keyof typeof resources;

export interface CoapEstRoute {
  readonly resource: CoapEstResource;
  /** The profile in the label, when there is one. */
  readonly profile?: LeafProfile;
  /** Whether the label asks for the issuing CAs together with the certificate. */
  readonly isForChain: boolean;
  /** The content format of a good answer. Nothing was done yet, so a token is never spent on an answer nobody can read. */
  readonly format: number | undefined;
}

const estSegments = estPath.split('/').slice(1);

/**
 * Reads what a request is for: `/.well-known/est/RESOURCE`, the same with a label (RFC 9148 §4.1), discovery, or the
 * login.
 *
 * @throws Problem `not-found`, `method-not-allowed`
 * @throws CoapError `4.06`: the client accepts no format that the answer has
 */
export function coapRouteOf({ method, path, accept }: CoapRequest): CoapEstRoute {
  const place = placeOf(path);
  if (place === undefined)
    throw new Problem('not-found', 'There is no such resource here. Discover: /.well-known/core');
  const { method: allowed, formats } = resources[place.resource];
  if (method !== allowed) throw new Problem('method-not-allowed', `Use ${allowed} for ${place.resource}.`);
  // RFC 7252 §5.10.4: Accept is about the content of an answer, and the login has none.
  const wanted = formats.length === 0 ? undefined : (accept ?? formats[0]);
  if (wanted !== undefined && !formats.some((format) => format === wanted))
    throw new CoapError('4.06', `Accept ${wanted}: the answer has ${formats.join(' or ')}.`);
  return { ...place, format: wanted };
}

type Place = Omit<CoapEstRoute, 'format'>;

function placeOf(path: readonly string[]): Place | undefined {
  const text = path.join('/');
  if (text === 'authz-info') return { resource: 'authz-info', isForChain: false };
  if (text === '.well-known/core') return { resource: 'core', isForChain: false };
  if (!estSegments.every((segment, index) => path[index] === segment)) return undefined;
  const rest = path.slice(estSegments.length);
  const [label, resource] = rest.length > 1 ? rest : [undefined, rest[0]];
  const meaning = label === undefined ? { isForChain: false } : meaningOf(label);
  if (rest.length > 2 || meaning === undefined || !isEstResource(resource)) return undefined;
  return { resource, ...meaning };
}

function isEstResource(name: string | undefined): name is 'crts' | 'att' | 'sen' | 'sren' {
  return name === 'crts' || name === 'att' || name === 'sen' || name === 'sren';
}
