import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { TemporaryDirectory } from '../temporary-directory.js';

/** A request as it came to the cloud. */
export interface SeenRequest {
  readonly method: string;
  /** Path and query, byte for byte. */
  readonly target: string;
  /** Names and values in order, as they were written. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Values of this header, whatever its case. */
  header(name: string): string | undefined;
  readonly framing: 'none' | 'content-length' | 'chunked';
  readonly body: SeenBody;
  /** Resolves to the status of the answer, or to "cut" when it did not go out whole. A WebSocket counts as "cut". */
  readonly answered: Promise<number | 'cut'>;
}

export interface SeenBody {
  /** Bytes that have come so far. */
  bytes: number;
  /** Hexadecimal; known when the whole body has come. */
  sha256: string | undefined;
}

/** A body that has come whole: in memory when it is small, else in a file. */
export interface WholeBody extends SeenBody {
  readonly text: () => string;
  /** Set when the body was larger than a mebibyte. */
  readonly path: string | undefined;
  readonly buffer: Buffer;
}

const memoryBytes = 1024 * 1024;

export function seenRequest(request: IncomingMessage, answered: Promise<number | 'cut'>): SeenRequest {
  const raw = request.rawHeaders;
  const headers = raw.flatMap((name, index): (readonly [string, string])[] =>
    index % 2 === 0 ? [[name, raw[index + 1] ?? '']] : [],
  );
  const header = (name: string): string | undefined =>
    headers.find(([known]) => known.toLowerCase() === name.toLowerCase())?.[1];
  const length = header('content-length') === undefined ? 'none' : 'content-length';
  return {
    method: request.method ?? '',
    target: request.url ?? '',
    headers,
    header,
    framing: header('transfer-encoding') === undefined ? length : 'chunked',
    body: { bytes: 0, sha256: undefined },
    answered,
  };
}

/** The status of an answer that went out whole, as far as Node could write it. */
export function statusOf(response: ServerResponse): Promise<number | 'cut'> {
  return new Promise((resolve) => {
    response.once('finish', () => resolve(response.statusCode));
    response.once('close', () => resolve('cut'));
    response.req.socket.once('close', () => resolve('cut'));
  });
}

/** Counts what an answer reads of the body, and takes its digest. It reads nothing itself. */
export function recordBody(request: IncomingMessage, body: SeenBody): void {
  const hash = createHash('sha256');
  request.pause();
  request.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    body.bytes += chunk.length;
  });
  request.once('end', () => {
    body.sha256 = hash.digest('hex');
  });
}

/** Reads a body to its end and takes its digest. A large one goes to a file, for the tests of a gigabyte. */
export async function readBody(
  request: IncomingMessage,
  body: SeenBody,
  directory: TemporaryDirectory,
): Promise<WholeBody> {
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  const isLarge = Number(request.headers['content-length'] ?? Number.NaN) > memoryBytes;
  const isEndless = request.headers['transfer-encoding'] !== undefined;
  const path = isLarge || isEndless ? directory.file(`body-${process.hrtime.bigint()}`) : undefined;
  const measured = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      hash.update(chunk);
      body.bytes += chunk.length;
      yield chunk;
    }
  };
  if (path === undefined) for await (const chunk of measured(request)) chunks.push(chunk);
  else await pipeline(request, measured, createWriteStream(path));
  body.sha256 = hash.digest('hex');
  const buffer = Buffer.concat(chunks);
  return { ...body, path, buffer, text: () => buffer.toString() };
}
