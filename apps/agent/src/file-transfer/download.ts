import { selectRange } from '@sallyport/http';
import type { FileStorage } from '../file-storage/file-storage.js';
import type { FileVersion } from '../file-storage/file-version.js';
import type { HotFile } from '../file-storage/hot-files.js';
import type { OpenFile } from '../file-storage/open-file.js';
import { type Answer, answer, type FileExchange } from './answer.js';
import { DownloadPlace } from './download-place.js';
import { networkRule, type PeerRule } from './path-ownership.js';
import { judgePreconditions, permitsRange, preconditionFailed } from './preconditions.js';
import { readSome, type Stretch, streamFile } from './stream-file.js';
import type { TransferMetrics } from './transfer-metrics.js';

export interface DownloadTools {
  readonly storage: FileStorage;
  readonly nowMs: () => number;
  readonly metrics?: TransferMetrics;
  readonly peerKeyOf?: PeerRule;
}

// A file up to this size is read in one go, and kept in memory.
const smallFileBytes = 64 * 1024;
const nothing = Buffer.alloc(0);

/** The answer to a request for a file: some of its bytes, or a short answer instead. */
type Selection = { readonly kind: 'answer'; readonly answer: Answer } | ({ readonly kind: 'bytes' } & SelectedBytes);

interface SelectedBytes {
  readonly status: 200 | 206;
  readonly headers: readonly string[];
  readonly stretch: Stretch;
}

/**
 * Answers GET and HEAD: 200, 206, 304 or 416. When a peer has as many downloads as it may, the next one waits, without
 * an open file. Only downloads that need a buffer count.
 *
 * @throws Problem `not-found`, `precondition-failed`
 */
export async function answerRead(exchange: FileExchange, tools: DownloadTools): Promise<void> {
  const { storage } = tools;
  const hot = storage.hotFile(exchange.path);
  if (hot !== undefined) return sendHot(exchange, hot, tools);
  const peer = (tools.peerKeyOf ?? networkRule)(exchange.req);
  const place = new DownloadPlace(storage.downloads, peer);
  try {
    if (await sendFile(exchange, tools, place)) return;
    await place.wait(exchange.res);
    // The file may be another one now, so it is opened and examined again.
    await sendFile(exchange, tools, place);
  } finally {
    place.giveBack();
  }
}

/** @returns false if it has sent nothing, because it needs a place and there is none */
async function sendFile(exchange: FileExchange, tools: DownloadTools, place: DownloadPlace): Promise<boolean> {
  const file = await tools.storage.openFile(exchange.path);
  try {
    const selection = select(exchange, file.version, tools);
    if (selection.kind === 'answer') answer(exchange, selection.answer);
    else if (exchange.req.method === 'HEAD') sendBytes(exchange, selection, nothing);
    else if (selection.stretch.length <= smallFileBytes) await sendSmall(exchange, selection, { file, tools });
    else if (place.tryTake()) await streamBytes(exchange, selection, { file, tools, peer: place.peer });
    else return false;
    return true;
  } finally {
    await file.close();
  }
}

async function sendSmall(
  exchange: FileExchange,
  selection: SelectedBytes,
  { file, tools }: { file: OpenFile; tools: DownloadTools },
): Promise<void> {
  const content = await readStretch(file, selection.stretch);
  if (content.length === file.version.sizeBytes) tools.storage.keepHot(exchange.path, file, content);
  tools.metrics?.sent(content.length);
  sendBytes(exchange, selection, content);
}

function sendHot(exchange: FileExchange, { version, content }: HotFile, tools: DownloadTools): void {
  const selection = select(exchange, version, tools);
  if (selection.kind === 'answer') {
    answer(exchange, selection.answer);
    return;
  }
  const { first, length } = selection.stretch;
  if (exchange.req.method === 'GET') tools.metrics?.sent(length);
  sendBytes(exchange, selection, content.slice(first, first + length));
}

/** Node sends no body in the response to HEAD. */
function sendBytes({ res }: FileExchange, { status, headers }: SelectedBytes, content: Buffer | string): void {
  res.writeHead(status, [...headers]).end(content, 'latin1');
}

async function streamBytes(
  { res }: FileExchange,
  { status, headers, stretch }: SelectedBytes,
  { file, tools, peer }: { file: OpenFile; tools: DownloadTools; peer: string },
): Promise<void> {
  res.writeHead(status, [...headers]);
  const onSent = (bytes: number) => tools.metrics?.sent(bytes);
  await streamFile(res, { file, ...stretch, onSent, peer }, tools.storage);
}

async function readStretch(file: OpenFile, { first, length }: Stretch): Promise<Buffer> {
  const content = Buffer.allocUnsafeSlow(length);
  for (let filled = 0; filled < length; ) {
    const rest = content.subarray(filled);
    filled += await readSome(file, rest, { length: rest.length, position: first + filled });
  }
  return content;
}

function select(exchange: FileExchange, version: FileVersion, { nowMs }: DownloadTools): Selection {
  const { req, path, routeHeaders } = exchange;
  const now = new Date(nowMs());
  const result = judgePreconditions(req.headers, { current: version, isRead: true, now });
  if (result === 'failed') throw preconditionFailed(path.text);
  if (result === 'not-modified')
    return { kind: 'answer', answer: { status: 304, headers: ['ETag', version.entityTag] } };
  const headers = [...fileHeaders(version, now), ...routeHeaders];
  // RFC 9110 §14.2: "A server MUST ignore a Range header field received with a request method that is unrecognized or
  // for which range handling is not defined". It is defined only for GET.
  const range = req.method === 'GET' && permitsRange(req.headers, version) ? req.headers.range : undefined;
  return selectStretch(range, version.sizeBytes, headers);
}

function selectStretch(range: string | undefined, sizeBytes: number, headers: readonly string[]): Selection {
  const selection = selectRange(range, sizeBytes);
  switch (selection.kind) {
    case 'whole':
      return bytes(200, [...headers, 'Content-Length', String(sizeBytes)], { first: 0, length: sizeBytes });
    case 'part': {
      const { first, last } = selection;
      const length = last - first + 1;
      const contentRange = `bytes ${first}-${last}/${sizeBytes}`;
      return bytes(206, [...headers, 'Content-Length', String(length), 'Content-Range', contentRange], {
        first,
        length,
      });
    }
    case 'unsatisfiable':
      return { kind: 'answer', answer: unsatisfiable(range, sizeBytes) };
    default:
      return selection satisfies never;
  }
}

function bytes(status: 200 | 206, headers: readonly string[], stretch: Stretch): Selection {
  return { kind: 'bytes', status, headers, stretch };
}

function unsatisfiable(range: string | undefined, sizeBytes: number): Answer {
  return {
    status: 416,
    headers: ['Content-Range', `bytes */${sizeBytes}`],
    text: `The file has ${sizeBytes} bytes; ${JSON.stringify(range)} asks for none of them.`,
  };
}

function fileHeaders({ entityTag, modifiedAtMs }: FileVersion, now: Date): string[] {
  // RFC 9110 §8.8.2.1: a Last-Modified that is later than the Date of the message is replaced by that Date.
  const lastModified = new Date(Math.min(modifiedAtMs, now.getTime())).toUTCString();
  return [
    ...['Content-Type', 'application/octet-stream', 'X-Content-Type-Options', 'nosniff'],
    ...['Accept-Ranges', 'bytes', 'ETag', entityTag, 'Last-Modified', lastModified],
  ];
}
