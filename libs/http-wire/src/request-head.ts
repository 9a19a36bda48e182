import { carriageReturn, lineFeed, skip, space, targetBytes, tokenBytes } from './characters.js';
import { type FramingError, RequestFault } from './faults.js';
import { contentLengthOf, type Framing, isOnlyChunked } from './framing.js';
import { HeadFields, readFields } from './head-fields.js';

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  readonly minorVersion: 0 | 1;
  readonly fields: HeadFields;
  readonly framing: Framing;
  /** The client wants to send further requests on this connection (RFC 9112 §9.3). */
  readonly isPersistent: boolean;
  readonly expectsContinue: boolean;
}

/** RFC 3986 §3.2.2 reg-name without escapes, IPv4, or an IPv6 literal in brackets, and a port. */
const hostPattern = /^(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;

/** Absolute form (RFC 9112 §3.2.2): scheme, authority, and the rest of the target. */
const absolutePattern = /^(https?):\/\/([^/?#]*)(.*)$/i;

const mostMethodBytes = 32;

/**
 * Reads a request head that is there as a whole.
 *
 * @param end  behind the empty line
 * @throws RequestFault or FramingError
 * @see RFC 9112 §3, §5, §6
 */
export function readRequestHead(bytes: Buffer, end: number, mostFields: number): RequestHead {
  const line = readRequestLine(bytes);
  const fields = readFields(bytes, { at: line.end, end, most: mostFields });
  const { minorVersion } = line;
  checkHost(fields, minorVersion);
  const framing = framingOf(fields, minorVersion);
  return {
    method: line.method,
    target: line.target.startsWith('/') ? line.target : originForm(line.target, fields),
    minorVersion,
    fields,
    framing,
    isPersistent: minorVersion === 1 ? !fields.connectionHas('close') : fields.connectionHas('keep-alive'),
    expectsContinue: expectsContinue(fields, minorVersion),
  };
}

interface RequestLine {
  readonly method: string;
  readonly target: string;
  readonly minorVersion: 0 | 1;
  readonly end: number;
}

// RFC 9112 §3: exactly one space between the parts.
function readRequestLine(bytes: Buffer): RequestLine {
  // RFC 9112 §2.2: an empty line before a request is ignored.
  const start = bytes[0] === carriageReturn && bytes[1] === lineFeed ? 2 : 0;
  const methodEnd = skip(tokenBytes, bytes, start);
  const methodBytes = methodEnd - start;
  if (methodBytes === 0 || methodBytes > mostMethodBytes || bytes[methodEnd] !== space) throw malformedLine();
  const targetStart = methodEnd + 1;
  const targetEnd = skip(targetBytes, bytes, targetStart);
  if (targetEnd === targetStart || bytes[targetEnd] !== space) throw malformedLine();
  const end = targetEnd + ' HTTP/1.1\r\n'.length;
  return {
    method: bytes.toString('latin1', start, methodEnd),
    target: bytes.toString('latin1', targetStart, targetEnd),
    minorVersion: minorVersionAt(bytes, targetEnd + 1),
    end,
  };
}

const versionPrefix = [...Buffer.from('HTTP/')];
const [zero, one, nine, dot] = [...Buffer.from('019.')];

function minorVersionAt(bytes: Buffer, at: number): 0 | 1 {
  for (let index = 0; index < versionPrefix.length; index += 1)
    if (bytes[at + index] !== versionPrefix[index]) throw malformedLine();
  const [major, point, minor] = [bytes[at + 5] ?? 0, bytes[at + 6], bytes[at + 7] ?? 0];
  if (bytes[at + 8] !== carriageReturn || bytes[at + 9] !== lineFeed || point !== dot) throw malformedLine();
  if (!isDigit(major) || !isDigit(minor)) throw malformedLine();
  if (major !== one || (minor !== one && minor !== zero))
    throw new RequestFault(505, 'The only versions are HTTP/1.1 and HTTP/1.0.');
  return minor === one ? 1 : 0;
}

function isDigit(byte: number): boolean {
  return byte >= (zero ?? 0) && byte <= (nine ?? 0);
}

// RFC 9112 §3.2: 400 for no Host in HTTP/1.1, for more than one, and for one that is no host.
function checkHost({ hosts, host }: HeadFields, minorVersion: 0 | 1): void {
  if (hosts > 1) throw new RequestFault(400, 'The request has more than one Host header. Send exactly one.');
  if (hosts === 0 && minorVersion === 1)
    throw new RequestFault(400, 'The request has no Host header. Send exactly one.');
  if (hosts === 1 && !hostPattern.test(host))
    throw new RequestFault(400, 'The Host header is not a host name with an optional port.');
}

/**
 * The path of a target in absolute form, which clients behind a proxy send. The other forms are for a proxy itself, and
 * for a whole server.
 */
function originForm(target: string, { hosts, host }: HeadFields): string {
  const [, scheme, authority, rest] = absolutePattern.exec(target) ?? [];
  if (scheme === undefined || authority === undefined || rest === undefined || rest.startsWith('#'))
    throw new RequestFault(400, 'The request target must be a path that starts with "/".');
  // RFC 9110 §4.2.4: user information in a target is an error. The pattern does not accept it.
  if (!hostPattern.test(authority))
    throw new RequestFault(400, 'The request target names no host with an optional port.');
  // RFC 9112 §3.2.2: software that reads only one of them must see the same.
  if (hosts === 1 && !isSameAuthority(host, authority, scheme))
    throw new RequestFault(400, 'The Host header and the host of the request target differ. Send the same in both.');
  // RFC 9110 §4.2.3: an empty path is the path "/".
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** Host names compare without case, and the port of the scheme may be left out (RFC 9110 §4.2.3). */
function isSameAuthority(one: string, other: string, scheme: string): boolean {
  const defaultPort = scheme.toLowerCase() === 'https' ? /:443$/ : /:80$/;
  const normal = (authority: string) => authority.toLowerCase().replace(defaultPort, '');
  return normal(one) === normal(other);
}

function framingOf(fields: HeadFields, minorVersion: 0 | 1): Framing {
  const hasCoding = fields.transferCodings > 0;
  // RFC 9112 §6.1: a server that receives Transfer-Encoding in HTTP/1.0 must treat the framing as faulty.
  if (hasCoding && minorVersion === 0)
    throw new RequestFault(400, 'HTTP/1.0 has no Transfer-Encoding. Use Content-Length.');
  // RFC 9112 §6.3: both together are an attempt to make two servers see two requests.
  if (hasCoding && fields.contentLengths > 0)
    throw new RequestFault(400, 'The request has both Content-Length and Transfer-Encoding. Send one.');
  if (hasCoding && !isOnlyChunked(fields)) throw new RequestFault(501, 'The only Transfer-Encoding is "chunked".');
  if (hasCoding) return 'chunked';
  return contentLengthOf(fields) ?? 0;
}

/** RFC 9110 §10.1.1: a server ignores the expectation in HTTP/1.0, and answers 417 to one it does not know. */
function expectsContinue({ expect }: HeadFields, minorVersion: 0 | 1): boolean {
  if (expect === undefined || minorVersion === 0) return false;
  if (expect.toLowerCase() !== '100-continue') throw new RequestFault(417, 'The only expectation is "100-continue".');
  return true;
}

function malformedLine(): RequestFault {
  return new RequestFault(
    400,
    'The request line is malformed. Send method, path and HTTP/1.1, with one space between.',
  );
}

/** Says to a client what its bytes broke. */
export function requestFaultOf(error: FramingError | RequestFault): RequestFault {
  if (error instanceof RequestFault) return error;
  return new RequestFault(error.kind === 'too-large' ? 431 : 400, `The request is not HTTP/1.1: ${error.message}.`);
}

/** Stands for the head of a request that could not be read. */
export const faultHead: RequestHead = {
  method: 'GET',
  target: '/',
  minorVersion: 1,
  fields: new HeadFields(),
  framing: 0,
  isPersistent: false,
  expectsContinue: false,
};
