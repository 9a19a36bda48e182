import { hash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, namesEntityTag, sendAnswer } from '@sallyport/http';
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

/** Where the documents come from. */
export interface CrlSources {
  readonly hierarchy: Hierarchy;
  readonly crls: CrlPublisher;
}

// A revocation is on the CRL within a minute. A cached copy must not hide it for longer.
const maxAgeSeconds = 60;
const documentPath = /^\/(crl|ca)\/([0-9a-f]{1,64})\.(crl|cer)$/;

/**
 * Serves `/crl/KEYID.crl` and `/ca/KEYID.cer` in DER over plain HTTP: fetching a CRL over TLS would need the CRL
 * (RFC 5280 §8; RFC 2585 §3 for the media types).
 */
export function crlHandler(sources: CrlSources): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => sendAnswer(request, response, judge(request, sources));
}

function judge(request: IncomingMessage, sources: CrlSources): Answer {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return refusal(405, 'Use GET or HEAD.', ['Allow', 'GET, HEAD']);
  const found = documentAt(request.url ?? '', sources);
  return found === undefined ? refusal(404, 'Not found.') : answerTo(request, found);
}

function documentAt(url: string, { hierarchy, crls }: CrlSources): Document | undefined {
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

function answerTo({ headers: { 'if-none-match': known } }: IncomingMessage, found: Document): Answer {
  const { contentType, der, digest, lastModified } = found;
  const etag = `"${digest}"`;
  const headers = [
    ...['ETag', etag, 'Last-Modified', lastModified.toUTCString()],
    ...['Cache-Control', `public, max-age=${maxAgeSeconds}`],
  ];
  // RFC 9110 §13.1.2: If-None-Match is a list, or "*".
  if (known !== undefined && (known.trim() === '*' || namesEntityTag(known, etag, 'weak')))
    return { status: 304, headers };
  return { status: 200, headers: [...headers, 'Content-Type', contentType], body: der };
}

function refusal(status: 404 | 405, text: string, headers: readonly string[] = []): Answer {
  return { status, headers: [...headers, 'Content-Type', 'text/plain; charset=utf-8'], body: `${text}\n` };
}
