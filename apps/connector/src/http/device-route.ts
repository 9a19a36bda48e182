/** What a path of the HTTP device API is for. */
export type DeviceRoute =
  | { readonly kind: 'alias' | 'record' | 'activate' | 'download' | 'timestamp' | 'address' }
  /** `/stack/alias/temperature`: one value in the body. The alias is still escaped. */
  | { readonly kind: 'one-alias'; readonly alias: string };

/** Old firmware uses one prefix, newer firmware the other. */
const prefixes = ['/onep:v1', '/api:v1'];

const routes: ReadonlyMap<string, DeviceRoute> = new Map<string, DeviceRoute>([
  ...prefixes.flatMap((prefix): [string, DeviceRoute][] => [
    [`${prefix}/stack/alias`, { kind: 'alias' }],
    [`${prefix}/stack/record`, { kind: 'record' }],
  ]),
  ['/provision/activate', { kind: 'activate' }],
  ['/provision/download', { kind: 'download' }],
  ['/timestamp', { kind: 'timestamp' }],
  ['/ip', { kind: 'address' }],
]);

/** @param target origin form; undefined: there is no such path */
export function deviceRouteOf(target: string): DeviceRoute | undefined {
  const at = target.indexOf('?');
  const path = at < 0 ? target : target.slice(0, at);
  return routes.get(path) ?? oneAlias(path);
}

function oneAlias(path: string): DeviceRoute | undefined {
  const prefix = prefixes.map((each) => `${each}/stack/alias/`).find((each) => path.startsWith(each));
  const alias = prefix === undefined ? '' : path.slice(prefix.length);
  return alias === '' || alias.includes('/') ? undefined : { kind: 'one-alias', alias };
}
