import type { IncomingHttpHeaders } from 'node:http';
import {
  cumulocityEstPath,
  estChainLabel,
  estChainPreference,
  estPath,
  type LeafProfile,
  leafProfile,
  Problem,
} from '@sallyport/protocol';

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
  /** Whether clients of this path need the issuing CAs together with their certificate. */
  readonly isForChain: boolean;
}

const operationPath = /^(?:\/([^/]+))?\/([a-z]+)$/;

/**
 * Reads `/.well-known/est/OPERATION` and `/.well-known/est/LABEL/OPERATION` (RFC 7030 §3.2.2), and the same below
 * `/c8y`. A label is a profile, `chain`, or both: `device.chain`.
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

/**
 * Whether a client gets the issuing CAs together with its certificate. RFC 7030 §4.2.3 wants the certificate alone, and
 * strict clients refuse a second one. Other clients store the whole answer and never ask for `cacerts`.
 */
export function wantsChain(headers: IncomingHttpHeaders, { isForChain }: EstRoute): boolean {
  return isForChain || prefersChain(headers['prefer']) || speaksAsThinEdge(headers);
}

/** RFC 7240 §2: preferences are separated by commas, their parameters by semicolons; a value may be quoted. */
function prefersChain(prefer: string | readonly string[] | undefined): boolean {
  const preferences = [prefer ?? []].flat().join(',').split(',');
  return preferences.some((each) => each.replace(/;.*$|["\s]/g, '').toLowerCase() === estChainPreference);
}

/**
 * thin-edge.io's client sends no User-Agent. It sends the default headers of its HTTP library (reqwest), and no
 * Content-Transfer-Encoding, which RFC 7030 §4.2.1 shows. strongSwan and Bouncy Castle send no User-Agent either, but
 * also no Accept.
 */
function speaksAsThinEdge(headers: IncomingHttpHeaders): boolean {
  const isNameless = headers['user-agent'] === undefined && headers.accept === '*/*';
  return isNameless && headers['content-transfer-encoding'] === undefined;
}

/** What a label asks for; undefined when it is none of ours. */
export function meaningOf(label: string): Omit<EstRoute, 'operation'> | undefined {
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
    // Not a percent-encoding, so not one of our labels.
    return undefined;
  }
}
