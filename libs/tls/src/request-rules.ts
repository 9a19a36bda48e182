import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';

/**
 * A host and an optional port, safe to copy into a `Location`: RFC 3986 §3.2.2 reg-name without escapes, IPv4, or an
 * IPv6 literal in brackets. Underscores occur in container names.
 */
const hostPattern = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,253})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/** Origin form (RFC 9112 §3.2.1) in printable ASCII: no `*`, no authority. */
const targetPattern = /^\/[\x21-\x7e]*$/;

/** Absolute form (RFC 9112 §3.2.2): scheme, authority, and the rest of the target. */
const absolutePattern = /^(https?):\/\/([^/?#]*)(.*)$/i;

/** The one valid Host of a request, or undefined. */
export function hostOf({ headers }: IncomingMessage): string | undefined {
  const { host } = headers;
  return host !== undefined && hostPattern.test(host) ? host : undefined;
}

/**
 * Finds requests that two servers in a row could read in two ways (request smuggling), and that Node's parser accepts.
 *
 * Changes a target in absolute form, which clients behind a proxy send, to origin form, and puts its authority into the
 * Host header. So every handler sees one form.
 *
 * @returns a sentence for the client, or undefined when the request is sound.
 */
export function requestFault(request: IncomingMessage): string | undefined {
  const { httpVersion, headers, rawHeaders } = request;
  // Node's parser accepts 0.9 and 2.0 too, but the rules of framing below do not hold for them.
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'The only versions are HTTP/1.1 and HTTP/1.0.';
  // RFC 9112 §3.2: a request with more than one Host, or without one in HTTP/1.1, gets 400. `headers` shows only the
  // first.
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length;
  if (hosts > 1) return 'The request has more than one Host header. Send exactly one.';
  if (hosts === 0 && httpVersion === '1.1') return 'The request has no Host header. Send exactly one.';
  if (hosts === 1 && hostOf(request) === undefined) return 'The Host header is not a host name with an optional port.';
  // RFC 9112 §6.1: we understand no other coding, and only chunked says where a body ends.
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'The only Transfer-Encoding is "chunked".';
  // RFC 9112 §6.1: a server that receives Transfer-Encoding in HTTP/1.0 must treat the framing as faulty.
  if (httpVersion === '1.0' && coding !== undefined) return 'HTTP/1.0 has no Transfer-Encoding. Use Content-Length.';
  return targetFault(request);
}

function targetFault(request: IncomingMessage): string | undefined {
  const { url = '' } = request;
  if (targetPattern.test(url)) return undefined;
  const [, scheme, authority, rest] = absolutePattern.exec(url) ?? [];
  if (scheme === undefined || authority === undefined || rest === undefined)
    return 'The request target must be a path that starts with "/", percent-encoded.';
  return absoluteFault(request, { scheme: scheme.toLowerCase(), authority, rest });
}

interface AbsoluteTarget {
  readonly scheme: string;
  readonly authority: string;
  readonly rest: string;
}

function absoluteFault(request: IncomingMessage, { scheme, authority, rest }: AbsoluteTarget): string | undefined {
  // RFC 9110 §7.4: when the scheme differs from that of the connection, the request was meant for another server.
  const spoken = request.socket instanceof TLSSocket ? 'https' : 'http';
  if (scheme !== spoken) return `The request target begins with ${scheme}://, and this connection is ${spoken}.`;
  // RFC 9110 §4.2.4: user information in a target is an error. The pattern does not accept it.
  if (!hostPattern.test(authority)) return 'The request target names no host with an optional port.';
  const host = hostOf(request);
  // RFC 9112 §3.2.2: the client must send the authority as its Host. Software that reads only one must see the same.
  if (host !== undefined && !isSameAuthority(host, authority, scheme))
    return 'The Host header and the host of the request target differ. Send the same in both.';
  // RFC 9110 §4.2.3: an empty path is the path "/".
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  if (!targetPattern.test(path)) return 'The request target must be in printable ASCII, percent-encoded.';
  request.url = path;
  request.headers.host = authority;
  return undefined;
}

/** Host names compare without case, and the port of the scheme may be left out (RFC 9110 §4.2.3). */
function isSameAuthority(one: string, other: string, scheme: string): boolean {
  const defaultPort = scheme === 'https' ? /:443$/ : /:80$/;
  const normal = (authority: string) => authority.toLowerCase().replace(defaultPort, '');
  return normal(one) === normal(other);
}
