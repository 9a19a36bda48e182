import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { WholeBody } from './seen-request.js';

/** The part of a multipart body that is a file. */
export interface FilePart {
  readonly name: string;
  readonly type: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** The part named "file" of a multipart/form-data body (RFC 7578); undefined when there is none. */
export async function filePart(contentType: string, body: WholeBody): Promise<FilePart | undefined> {
  const boundary = /boundary="?([^";]+)"?/i.exec(contentType)?.[1];
  if (boundary === undefined) return undefined;
  const bytes = body.path === undefined ? body.buffer : await readFile(body.path);
  const end = Buffer.from(`\r\n--${boundary}`);
  for (let at = bytes.indexOf(`--${boundary}`); at >= 0; ) {
    const headEnd = bytes.indexOf('\r\n\r\n', at);
    const partEnd = bytes.indexOf(end, headEnd + 4);
    if (headEnd < 0 || partEnd < 0) return undefined;
    const head = bytes.toString('utf8', at, headEnd);
    if (/name="?file"?[;\r]/i.test(`${head}\r`)) return describe(head, bytes.subarray(headEnd + 4, partEnd));
    at = partEnd + 2;
  }
  return undefined;
}

function describe(head: string, content: Buffer): FilePart {
  return {
    name: /filename="([^"]*)"/i.exec(head)?.[1] ?? '',
    type: /content-type: *([^\r\n]+)/i.exec(head)?.[1] ?? '',
    bytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  };
}
