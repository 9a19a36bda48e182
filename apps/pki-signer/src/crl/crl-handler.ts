import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isTrusted, keyIdOf } from '../authority/authority.js';
import type { Hierarchy } from '../authority/hierarchy.js';
import type { CrlPublisher } from './crl-publisher.js';

interface Document {
  readonly contentType: string;
  readonly der: Buffer;
  /** SHA-256 of the DER, base64url. */
  readonly digest: string;
  readonly lastModified: Date;
}

// A revocation is on the CRL within a minute; a copy must not hide it for longer.
const maxAgeSeconds = 60;
const documentPath = /^\/(crl|ca)\/([0-9a-f]{1,64})\.(crl|cer)$/;

/**
 * Serves `/crl/KEYID.crl` and `/ca/KEYID.cer` in DER over plain HTTP: fetching a CRL over TLS would need the CRL
 * (RFC 5280 §8; RFC 2585 §3 for the media types).
 */
export function crlHandler(sources: {
  readonly hierarchy: Hierarchy;
  readonly crls: CrlPublisher;
}): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    // No request here needs a body; what comes is thrown away.
    request.resume();
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return refuse(response, 405, { text: 'Use GET or HEAD.', headers: { Allow: 'GET, HEAD' } });
    const found = documentAt(request.url ?? '', sources);
    if (found === undefined) return refuse(response, 404, { text: 'Not found.' });
    return serve(request, response, found);
  };
}

function documentAt(
  url: string,
  { hierarchy, crls }: { hierarchy: Hierarchy; crls: CrlPublisher },
): Document | undefined {
  const [, folder, keyId = '', suffix] = documentPath.exec(url.split('?', 1)[0] ?? '') ?? [];
  if (folder === 'crl' && suffix === 'crl') {
    const crl = crls.find(keyId);
    return crl && { contentType: 'application/pkix-crl', ...crl, lastModified: crl.thisUpdate };
  }
  if (folder !== 'ca' || suffix !== 'cer') return undefined;
  const authority = hierarchy.all.find((candidate) => isTrusted(candidate) && keyIdOf(candidate.certificate) === keyId);
  if (authority === undefined) return undefined;
  const { der, notBefore } = authority.certificate;
  return {
    contentType: 'application/pkix-cert',
    der,
    digest: hash('sha256', der, 'base64url'),
    lastModified: notBefore,
  };
}

function serve(request: IncomingMessage, response: ServerResponse, found: Document): void {
  const { contentType, der, digest, lastModified } = found;
  const etag = `"${digest}"`;
  const headers = {
    ETag: etag,
    'Cache-Control': `public, max-age=${maxAgeSeconds}`,
    'Last-Modified': lastModified.toUTCString(),
  };
  // RFC 9110 §13.1.2: If-None-Match is a list, or "*".
  const known = request.headers['if-none-match']?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? [];
  if (known.includes(etag) || known.includes('*')) {
    response.writeHead(304, headers).end();
    return;
  }
  response.writeHead(200, { ...headers, 'Content-Type': contentType, 'Content-Length': der.length }).end(der);
}

function refuse(
  response: ServerResponse,
  status: 404 | 405,
  { text, headers = {} }: { readonly text: string; readonly headers?: Readonly<Record<string, string>> },
): void {
  const body = `${text}\n`;
  const type = 'text/plain; charset=utf-8';
  response.writeHead(status, { ...headers, 'Content-Type': type, 'Content-Length': body.length }).end(body);
}
