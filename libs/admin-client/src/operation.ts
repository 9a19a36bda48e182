import type { AdminRoute } from '@sallyport/protocol';
import type { z } from 'zod';

type ParametersOf<Route extends AdminRoute> = Route extends { readonly parameters: infer Parameters }
  ? { readonly params: { readonly [Name in keyof Parameters]: InputOf<Parameters[Name]> } }
  : object;
type QueryOf<Route extends AdminRoute> = Route extends { readonly query: infer Query }
  ? { readonly query?: InputOf<Query> }
  : object;
type BodyOf<Route extends AdminRoute> = Route extends { readonly request: infer Request }
  ? { readonly body: InputOf<Request> }
  : object;
type VersionOf<Route extends AdminRoute> = Route extends { readonly ifMatch: 'required' }
  ? { readonly ifMatch: string }
  : Route extends { readonly ifMatch: 'optional' }
    ? { readonly ifMatch?: string | undefined }
    : object;
type InputOf<Schema> = Schema extends z.ZodType ? z.input<Schema> : never;

/**
 * What an operation takes: the parameters of its path, its query, its body and the `etag` of the version it is about,
 * as far as it declares them.
 */
export type OperationInput<Route extends AdminRoute> = ParametersOf<Route> &
  QueryOf<Route> &
  BodyOf<Route> &
  VersionOf<Route>;

/** The same for any operation. */
export interface AnyInput {
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
  readonly ifMatch?: string | undefined;
}

/**
 * The path of a request with its query. Each parameter is escaped once, and one over several segments keeps its `/`. A
 * query parameter without a value is left out, and one with several is repeated.
 *
 * @throws Error: a parameter of the path has no value
 */
export function pathOf({ path }: AdminRoute, { params = {}, query = {} }: AnyInput): string {
  const filled = path.replaceAll(/([:*])(\w+)/g, (_, kind: string, name: string) => {
    const value = params[name];
    if (value === undefined || value === '') throw new Error(`the path ${path} needs a value for "${name}"`);
    return kind === ':' ? encodeURIComponent(value) : value.split('/').map(encodeURIComponent).join('/');
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    for (const each of Array.isArray(value) ? value : [value])
      if (each !== undefined) search.append(name, String(each));
  return search.size === 0 ? filled : `${filled}?${search}`;
}
