import type { IncomingMessage } from 'node:http';
import { Problem } from '@sallyport/protocol';

/** Largest request body, bytes of base64. */
const largestBodyBytes = 64 * 1024;

const wrappedLineLength = 64;
const armour = /^-----(?:BEGIN|END) (?:NEW )?CERTIFICATE REQUEST-----$/;
// RFC 4648 §4: whole groups of four, padded.
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * Reads the whole body, with a length or chunked: several clients send it chunked.
 *
 * @throws Problem `too-large`: the rest is not read
 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > largestBodyBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  // The request must not be destroyed here: its rest is read and thrown away while the answer is sent.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    length += chunk.length;
    if (length > largestBodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The DER in an EST body: base64 on one line or wrapped with LF or CRLF (RFC 8951 §3), in PEM armour too, as curl
 * users send it. The Content-Transfer-Encoding means nothing (RFC 8951 §3) and is ignored.
 *
 * @throws Problem `csr-rejected`
 */
export function derFromBody(body: Buffer): Buffer {
  const lines = body.toString('latin1').split(/\r\n|\n|\r/);
  const encoded = lines
    .filter((line) => !armour.test(line.trim()))
    .join('')
    .replace(/[ \t]/g, '');
  if (encoded.length === 0) throw new Problem('csr-rejected', 'The body is empty. Send the CSR as base64 of its DER.');
  if (!base64.test(encoded))
    throw new Problem(
      'csr-rejected',
      'The body is not base64 (RFC 4648 section 4, with padding). Send the CSR as base64 of its DER.',
    );
  return Buffer.from(encoded, 'base64');
}

/**
 * DER as an EST body. libest, and `openssl base64 -d` after curl, cannot read a line of more than about 1,000
 * characters. strongSwan reads only one line; it sends no User-Agent. So a client with a User-Agent gets several lines.
 */
export function bodyFromDer(der: Buffer, userAgent: string | undefined): string {
  const encoded = der.toString('base64');
  if (userAgent === undefined || /^strongswan/i.test(userAgent)) return `${encoded}\n`;
  const lines = encoded.match(new RegExp(`.{1,${wrappedLineLength}}`, 'g')) ?? [];
  return `${lines.join('\n')}\n`;
}

function tooLarge(): Problem {
  return new Problem('too-large', `The body is larger than ${largestBodyBytes} bytes. A CSR has a few hundred.`);
}
