import { type LeafProfile, leafProfile, Problem } from '@sallyport/protocol';

/** The operations of RFC 7030 that are offered, and their methods. */
const operationMethods = {
  cacerts: 'GET, HEAD',
  csrattrs: 'GET, HEAD',
  simpleenroll: 'POST',
  simplereenroll: 'POST',
} as const;
export type EstOperation = keyof typeof operationMethods;

export interface EstRoute {
  readonly operation: EstOperation;
  /** The label in the path, when there is one: an enrolment profile. */
  readonly profile?: LeafProfile;
}

const wellKnown = /^\/\.well-known\/est\/(?:([^/]+)\/)?([a-z]+)$/;

/**
 * Reads `/.well-known/est/OPERATION` and `/.well-known/est/LABEL/OPERATION` (RFC 7030 §3.2.2).
 *
 * @throws Problem `not-found`: no such label or operation
 * @throws Problem `method-not-allowed`
 */
export function routeOf(method: string, url: string): EstRoute {
  const path = url.split('?', 1)[0] ?? '';
  const [, label, name = ''] = wellKnown.exec(path) ?? [];
  const profile = label === undefined ? undefined : leafProfile.safeParse(decoded(label));
  if (!isOperation(name) || profile?.success === false)
    throw new Problem('not-found', 'There is no such EST operation or label here.');
  const allow = operationMethods[name];
  if (!allow.split(', ').includes(method))
    throw new Problem('method-not-allowed', `Use ${allow} for ${name}.`, { extensions: { allow } });
  return profile === undefined ? { operation: name } : { operation: name, profile: profile.data };
}

function isOperation(name: string): name is EstOperation {
  return Object.hasOwn(operationMethods, name);
}

function decoded(label: string): string | undefined {
  try {
    return decodeURIComponent(label);
  } catch {
    // Not a percent-encoding: no label of ours.
    return undefined;
  }
}
