import { readingsOf } from './path-readings.js';

/** Where the proxy is on its port. */
const prefix = '/c8y';

/** What a request target asks for. */
export type Route =
  /** A path of the tenant. */
  | { readonly kind: 'tenant'; readonly target: string; readonly readings: readonly string[] }
  /** A part of the user interface. A device that asks for it loses its token (thin-edge.io does the same). */
  | { readonly kind: 'user-interface' }
  /** A path that servers may read in so many ways that nobody can say which one it is. */
  | { readonly kind: 'unclear' }
  | { readonly kind: 'unknown' };

/**
 * @param target in origin form. Path and query go to the tenant byte for byte; only `/c8y` is taken off.
 */
export function routeOf(target: string): Route {
  if (!target.startsWith(prefix)) return { kind: 'unknown' };
  const rest = target.slice(prefix.length);
  if (rest === '' || rest.startsWith('?')) return tenantRoute(`/${rest}`);
  return rest.startsWith('/') ? tenantRoute(rest) : { kind: 'unknown' };
}

/** @param target of the tenant */
export function tenantRoute(target: string): Route {
  const query = target.indexOf('?');
  const readings = readingsOf(query === -1 ? target : target.slice(0, query));
  if (readings === undefined) return { kind: 'unclear' };
  return readings.some(isUserInterface) ? { kind: 'user-interface' } : { kind: 'tenant', target, readings };
}

function isUserInterface(path: string): boolean {
  return path === '/apps' || path.startsWith('/apps/') || /\.js[/ ]*$/.test(path);
}
