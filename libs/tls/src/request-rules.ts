import type { IncomingMessage } from 'node:http';

/**
 * A host and an optional port, and nothing that could carry anything else into a `Location`: RFC 3986 §3.2.2 reg-name
 * without its escapes, IPv4, or an IPv6 literal in brackets. Underscores occur in container names.
 */
const hostPattern = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/** Origin form (RFC 9112 §3.2.1) in printable ASCII: no proxy target, no `*`, no authority. */
const targetPattern = /^\/[\x21-\x7e]*$/;

/** The one valid Host of a request, or undefined. */
export function hostOf({ headers }: IncomingMessage): string | undefined {
  const { host } = headers;
  return host !== undefined && hostPattern.test(host) ? host : undefined;
}

/**
 * What two servers in a row could read in two ways, and Node's parser lets pass (request smuggling).
 *
 * @returns a sentence for the client, or undefined when the request is sound.
 */
export function requestFault(request: IncomingMessage): string | undefined {
  const { httpVersion, headers, rawHeaders, url = '' } = request;
  // Node's parser takes 0.9 and 2.0 as well, and neither has the rules of framing below.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'The only versions are HTTP/1.1 and HTTP/1.0.';
  // RFC 9112 §3.2: a request with more than one Host, or without one in HTTP/1.1, gets 400. `headers` hides repeats.
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length;
  if (hosts > 1) return 'The request has more than one Host header. Send exactly one.';
  if (hosts === 0 && httpVersion === '1.1') return 'The request has no Host header. Send exactly one.';
  if (hosts === 1 && hostOf(request) === undefined) return 'The Host header is not a host name with an optional port.';
  // RFC 9112 §6.1: no other coding is understood here, and only chunked says where a body ends.
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'The only Transfer-Encoding is "chunked".';
  // RFC 9112 §6.1: a server that receives Transfer-Encoding in HTTP/1.0 must treat the framing as faulty.
  if (httpVersion === '1.0' && coding !== undefined) return 'HTTP/1.0 has no Transfer-Encoding. Use Content-Length.';
  if (!targetPattern.test(url)) return 'The request target must be a path that starts with "/", percent-encoded.';
  return undefined;
}
