import { cumulocityEstPath, estChainLabel, estPath, type LeafProfile, leafProfile, Problem } from '@sallyport/protocol';

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
  /** The profile in the label, when there is one. */
  readonly profile?: LeafProfile;
  /** Whether the path is one of those whose clients need the issuing CAs beside their certificate. */
  readonly isForChain: boolean;
}

const operationPath = /^(?:\/([^/]+))?\/([a-z]+)$/;

/**
 * Reads `/.well-known/est/OPERATION` and `/.well-known/est/LABEL/OPERATION` (RFC 7030 §3.2.2), and the same below `/c8y`.
 * A label is a profile, `chain`, or both: `device.chain`.
 *
 * @throws Problem `not-found`: no such label or operation
 * @throws Problem `method-not-allowed`
 */
export function routeOf(method: string, url: string): EstRoute {
  const path = url.split('?', 1)[0] ?? '';
  const base = [estPath, cumulocityEstPath].find((candidate) => path.startsWith(`${candidate}/`));
  const [, label, name = ''] = (base === undefined ? null : operationPath.exec(path.slice(base.length))) ?? [];
  const meaning = label === undefined ? { isForChain: false } : meaningOf(label);
  if (!isOperation(name) || meaning === undefined)
    throw new Problem('not-found', 'There is no such EST operation or label here.');
  const allow = operationMethods[name];
  if (!allow.split(', ').includes(method))
    throw new Problem('method-not-allowed', `Use ${allow} for ${name}.`, { extensions: { allow } });
  return { operation: name, ...meaning, isForChain: meaning.isForChain || base === cumulocityEstPath };
}

function meaningOf(label: string): Omit<EstRoute, 'operation'> | undefined {
  const text = decoded(label);
  if (text === estChainLabel) return { isForChain: true };
  const isForChain = text?.endsWith(`.${estChainLabel}`) === true;
  const profile = leafProfile.safeParse(isForChain ? text.slice(0, -estChainLabel.length - 1) : text);
  return profile.success ? { profile: profile.data, isForChain } : undefined;
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
