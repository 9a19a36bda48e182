import type { OutgoingRequest, UpstreamResponse } from '@sallyport/http-wire';
import { noBody } from '@sallyport/http-wire';
import type { Tenant } from './tenant.js';

export const mostRedirects = 10;

const changeToGet: ReadonlySet<number> = new Set([301, 302, 303]);
const keepMethod: ReadonlySet<number> = new Set([307, 308]);
const ofBody: ReadonlySet<string> = new Set([
  'content-type',
  'content-encoding',
  'content-language',
  'content-location',
]);

/**
 * The request that a redirect asks for, as the HTTP client of thin-edge.io sends it; undefined for an answer that the
 * caller gets as it is. Those are redirects to another place than the tenant, too: a token never goes there.
 */
export function redirected(
  answer: UpstreamResponse,
  request: OutgoingRequest,
  tenant: Pick<Tenant, 'hostField'>,
): OutgoingRequest | undefined {
  const { status } = answer;
  const location = answer.fields.get('location');
  const isGet = changeToGet.has(status);
  if (location === undefined || !(isGet || keepMethod.has(status))) return undefined;
  const target = targetWithin(location, request.target, tenant);
  if (target === undefined) return undefined;
  if (!isGet) return request.body.isReplayable ? { ...request, target } : undefined;
  const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
  return { method, target, fields: withoutBodyFields(request.fields), body: noBody };
}

/** Path and query of a place within the tenant. */
function targetWithin(location: string, from: string, { hostField }: Pick<Tenant, 'hostField'>): string | undefined {
  const origin = `https://${hostField}`;
  const base = URL.parse(origin);
  const url = URL.parse(location, `${origin}${from}`);
  if (base === null || url === null || url.origin !== base.origin) return undefined;
  return url.username === '' && url.password === '' ? `${url.pathname}${url.search}` : undefined;
}

function withoutBodyFields(fields: readonly string[]): string[] {
  return fields.filter((_, at) => !ofBody.has((fields[at - (at % 2)] ?? '').toLowerCase()));
}
