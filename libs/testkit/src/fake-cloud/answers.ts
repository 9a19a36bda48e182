import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/** What the cloud does with one request instead of its usual answer. */
export type CloudAnswer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

const pieceBytes = 64 * 1024;
const piece = Buffer.alloc(pieceBytes, 'sallyport\n');

/** Answers of a cloud that is well, slow, broken or hostile. */
export const answers = {
  /** A status with a text, when the whole body has come. */
  status(status: number, text = '', headers: Readonly<Record<string, string>> = {}): CloudAnswer {
    return async (request, response) => {
      if (!request.complete) await once(request.resume(), 'end');
      response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(text);
    };
  },
  /** The same without waiting for the body. */
  early(status: number, text = '', headers: Readonly<Record<string, string>> = {}): CloudAnswer {
    return (request, response) => {
      request.resume();
      response.writeHead(status, { 'content-type': 'text/plain', ...headers }).end(text);
    };
  },
  json(status: number, value: unknown): CloudAnswer {
    return answers.status(status, JSON.stringify(value), { 'content-type': 'application/json' });
  },
  /** 401, as for a token that is not valid any more. It does not wait for the body. */
  unauthorized(): CloudAnswer {
    const message = 'Invalid credentials! : Token is expired or revoked.';
    const text = JSON.stringify({ error: 'security/Unauthorized', message, info: null });
    return answers.early(401, text, { 'content-type': 'application/json' });
  },
  /** @param location absolute or relative, as it is written into the header */
  redirect(location: string, status: 301 | 302 | 303 | 307 | 308 = 302): CloudAnswer {
    return answers.early(status, '', { location });
  },
  /** A body of this length; its digest is `digestOf(bytes)`. */
  download(bytes: number, framing: 'content-length' | 'chunked' = 'content-length'): CloudAnswer {
    return async (request, response) => {
      request.resume();
      const length = framing === 'chunked' ? {} : { 'content-length': String(bytes) };
      response.writeHead(200, { 'content-type': 'application/octet-stream', ...length });
      await pipeline(Readable.from(pieces(bytes)), response);
    };
  },
  /** The answer comes after this time. */
  late(milliseconds: number, answer: CloudAnswer): CloudAnswer {
    return (request, response) => {
      const timer = setTimeout(() => void answer(request, response), milliseconds);
      response.once('close', () => clearTimeout(timer));
    };
  },
  /** No answer ever comes. */
  never(): CloudAnswer {
    return (request) => void request.resume();
  },
  /** The connection ends without an answer. */
  cut(): CloudAnswer {
    return ({ socket }) => void socket.destroy();
  },
  /** Bytes that are no HTTP, then the end. */
  garbage(): CloudAnswer {
    return ({ socket }) => void socket.end(Buffer.from([0x16, 0x03, 0x01, 0x00, 0xff, 0x0a, 0x0d, 0x00, 0x80]));
  },
  /** Exactly these bytes, then the end of the connection, or nothing more. */
  raw(bytes: string | Uint8Array, { isLast = true }: { readonly isLast?: boolean } = {}): CloudAnswer {
    return ({ socket }) => void (isLast ? socket.end(bytes) : socket.write(bytes));
  },
  /** A head that promises more body than comes. */
  halfResponse(): CloudAnswer {
    return answers.raw('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"half":');
  },
  /** A chunked body that ends within a chunk. */
  halfChunk(): CloudAnswer {
    return answers.raw('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\nff\r\nhalf');
  },
  manyHeaders(count = 10_000): CloudAnswer {
    const lines = Array.from({ length: count }, (_, index) => `X-Header-${index}: value\r\n`).join('');
    return answers.raw(`HTTP/1.1 200 OK\r\n${lines}Content-Length: 0\r\n\r\n`);
  },
  /** A header line without an end, until the other side goes. */
  endlessHead(): CloudAnswer {
    return ({ socket }) => floodOn(socket, 'HTTP/1.1 200 OK\r\nX-Endless: ', Buffer.alloc(pieceBytes, 'a'));
  },
  /** A body without an end, until the other side goes. */
  endlessBody(framing: 'chunked' | 'until-close' = 'chunked'): CloudAnswer {
    const isChunked = framing === 'chunked';
    const head = `HTTP/1.1 200 OK\r\n${isChunked ? 'Transfer-Encoding: chunked' : 'Connection: close'}\r\n\r\n`;
    const size = Buffer.from(`${pieceBytes.toString(16)}\r\n`);
    return ({ socket }) => floodOn(socket, head, isChunked ? Buffer.concat([size, piece, Buffer.from('\r\n')]) : piece);
  },
} as const;

/** SHA-256, hexadecimal, of the body that `answers.download(bytes)` sends. */
export function digestOf(bytes: number): string {
  const hash = createHash('sha256');
  for (const part of pieces(bytes)) hash.update(part);
  return hash.digest('hex');
}

function* pieces(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= pieceBytes) yield left < pieceBytes ? piece.subarray(0, left) : piece;
}

/** Writes as fast as the other side reads. */
function floodOn(socket: IncomingMessage['socket'], head: string, part: Buffer): void {
  socket.write(head);
  const fill = (): void => {
    while (!socket.destroyed && socket.write(part));
  };
  socket.on('drain', fill);
  fill();
}
