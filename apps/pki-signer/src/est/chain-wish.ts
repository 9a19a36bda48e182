import type { IncomingHttpHeaders } from 'node:http';
import { estChainPreference } from '@sallyport/protocol';
import type { EstRoute } from './est-route.js';

/**
 * Whether a client gets the issuing CAs beside its certificate. RFC 7030 §4.2.3 wants the certificate alone, and strict
 * clients refuse a second one; others keep whatever the answer holds and never ask for `cacerts`.
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
 * thin-edge.io's client does not say who it is. It sends what its HTTP library (reqwest) sends unasked, and no transfer
 * encoding, which RFC 7030 §4.2.1 shows. strongSwan and Bouncy Castle are nameless too, and send no Accept.
 */
function speaksAsThinEdge(headers: IncomingHttpHeaders): boolean {
  const isNameless = headers['user-agent'] === undefined && headers.accept === '*/*';
  return isNameless && headers['content-transfer-encoding'] === undefined;
}
