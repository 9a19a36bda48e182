import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from '@sallyport/protocol';
import type { FileStorage } from '../file-storage/file-storage.js';
import { explainFault } from '../file-storage/file-system-fault.js';
import { parseStoragePath, type StoragePath } from '../file-storage/storage-path.js';
import { type Answer, answer, type Exchange, type FileExchange, PeerLost } from './answer.js';
import { answerRead } from './download.js';
import type { AccessRule, OwnerRule, PeerRule } from './path-ownership.js';
import { versionCheck } from './preconditions.js';
import { parseRequestTarget, percentDecoded } from './request-target.js';
import type { TransferMetrics } from './transfer-metrics.js';
import { answerPut } from './upload.js';

export interface FileTransferOptions {
  readonly storage: FileStorage;
  readonly access: AccessRule;
  /** Returns the owner of the share that an upload uses; no share is used when absent. */
  readonly ownerOf?: OwnerRule;
  /** Returns the peer whose part of buffers and time a request uses; by default its network. */
  readonly peerKeyOf?: PeerRule;
  /** Maximum size of one file in bytes; unlimited when absent. */
  readonly maxUploadBytes?: number;
  /** A connection without progress for this time during a request is ended; default 60 s. */
  readonly idleTimeoutMs?: number;
  readonly nowMs: () => number;
  readonly metrics?: TransferMetrics;
  /** Called for every internal error. The peer gets only "Internal error". */
  readonly onFault: (error: unknown, request: { method: string; path: string }) => void;
}

const deprecation = [
  ...['Deprecation', 'true', 'Sunset', 'Thu, 31 Dec 2025 23:59:59 GMT'],
  ...['Link', '</te/v1/files>; rel="deprecation"'],
] as const;

/**
 * The file transfer service: GET, HEAD, PUT and DELETE of `/te/v1/files/{*path}` and, deprecated,
 * `/tedge/file-transfer/{*path}`. It needs no framework. It never throws: after a failure it sends a response or closes
 * the connection.
 */
export function fileTransferHandler(options: FileTransferOptions): (req: IncomingMessage, res: ServerResponse) => void {
  const { idleTimeoutMs = 60_000 } = options;
  const service = new FileTransfer(options);
  return (req, res) => {
    const begin = (): void => {
      req.socket.setTimeout(idleTimeoutMs);
      options.metrics?.watch(req, res);
      service.serve(req, res);
    };
    // RFC 9112 §9.3.2: only safe methods may be processed in parallel, and their results would have to wait in memory.
    // So a request waits here until the responses before it have ended.
    if (res.socket === null) res.once('socket', begin);
    else begin();
  };
}

const allowedMethods = ['GET', 'HEAD', 'PUT', 'DELETE'];

class FileTransfer {
  constructor(private readonly options: FileTransferOptions) {}

  serve(req: IncomingMessage, res: ServerResponse): void {
    const target = parseRequestTarget(req.url ?? '');
    if (target === undefined) {
      answer({ req, res, routeHeaders: [] }, { status: 404 });
      return;
    }
    const exchange = { req, res, routeHeaders: target.isDeprecatedRoute ? deprecation : [] };
    this.dispatch(exchange, target.encodedPath).catch((error: unknown) =>
      this.fail(exchange, target.encodedPath, error),
    );
  }

  private async dispatch(exchange: Exchange, encodedPath: string): Promise<void> {
    const { method = '' } = exchange.req;
    if (!allowedMethods.includes(method))
      return answer(exchange, { status: 405, headers: ['Allow', allowedMethods.join(',')] });
    const path = parseStoragePath(percentDecoded(encodedPath));
    this.options.access(exchange.req, path);
    try {
      await this.transfer(method, { ...exchange, path });
    } catch (error) {
      throw explainFault(error, path.text);
    }
  }

  private transfer(method: string, exchange: FileExchange): Promise<void> {
    if (method === 'PUT' && exchange.req.headers['content-range'] !== undefined) throw partialUpload(exchange.path);
    if (method === 'PUT') return answerPut(exchange, this.options);
    if (method === 'DELETE') return this.remove(exchange);
    return answerRead(exchange, this.options);
  }

  /**
   * Answers DELETE of a file or an empty folder with 202, also when there was none.
   *
   * @throws Problem `not-found`: the path is the root; `conflict`: the folder is not empty; `precondition-failed`.
   */
  private async remove(exchange: FileExchange): Promise<void> {
    const { storage, nowMs } = this.options;
    await storage.remove(exchange.path, versionCheck(exchange, nowMs));
    answer(exchange, { status: 202 });
  }

  private fail(exchange: Exchange, encodedPath: string, error: unknown): void {
    const { req, res } = exchange;
    if (error instanceof PeerLost) return;
    if (!(error instanceof Problem)) this.options.onFault(error, { method: req.method ?? '', path: encodedPath });
    if (req.socket.destroyed) return;
    // A part of the file is already sent. Only a broken connection tells the peer that the rest is missing.
    if (res.headersSent) res.destroy();
    else answer(exchange, error instanceof Problem ? refusal(error) : { status: 500, text: 'Internal error' });
  }
}

/** RFC 9110 §14.5: answer 400 to a partial PUT. If we stored the part, it would look like the whole file. */
function partialUpload({ text }: StoragePath): Problem {
  return new Problem(
    'invalid-request',
    `${JSON.stringify(text)} cannot be put in parts (Content-Range). Send the whole file, with curl without -C.`,
  );
}

function refusal({ status, message, retryAfterSeconds }: Problem): Answer {
  const headers = retryAfterSeconds === undefined ? [] : ['Retry-After', String(retryAfterSeconds)];
  return { status, headers, text: message };
}
