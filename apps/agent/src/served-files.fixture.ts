import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import { promisify } from 'node:util';
import { type TemporaryDirectory, temporaryDirectory } from '@sallyport/testkit';
import { FileStorage, type StorageOptions } from './file-storage/file-storage.js';
import { type FileTransferOptions, fileTransferHandler } from './file-transfer/file-transfer-handler.js';
import { anyPath } from './file-transfer/path-ownership.js';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
}

export interface Sent {
  readonly headers?: Record<string, string>;
  /** Sent in chunks if it is a list. */
  readonly body?: string | Buffer | readonly Buffer[];
}

/** With `security` over TLS; then a test brings a client of its own. */
type ServedOptions = Partial<StorageOptions & FileTransferOptions> & { readonly security?: SecureContextOptions };

/** The file transfer service over real HTTP, on a separate port for each test. */
export class ServedFiles implements AsyncDisposable {
  /** The internal errors that the service reported. */
  readonly faults: unknown[] = [];

  private constructor(
    private readonly folder: TemporaryDirectory,
    readonly storage: FileStorage,
    readonly directory: string,
    private readonly server: Server,
  ) {}

  static async start({ security, ...options }: ServedOptions = {}): Promise<ServedFiles> {
    const folder = temporaryDirectory();
    const directory = options.directory ?? folder.file('file-transfer');
    const storage = await FileStorage.open({ nowMs: Date.now, ...options, directory });
    const limits = { requestTimeout: 0, keepAliveTimeout: 1_000 };
    const server = security === undefined ? createServer(limits) : createSecureServer({ ...limits, ...security });
    const files = new ServedFiles(folder, storage, directory, server);
    const onFault = (error: unknown) => files.faults.push(error);
    server.on('request', fileTransferHandler({ storage, access: anyPath, nowMs: Date.now, onFault, ...options }));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return files;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
    await this.folder.remove();
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** The number of open connections. */
  connections(): Promise<number> {
    return promisify(this.server.getConnections.bind(this.server))();
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Sends the path unchanged, on a new connection. */
  request(method: string, path: string, { headers = {}, body }: Sent = {}): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: this.port, method, path, headers, agent: false });
      sent.once('error', reject);
      sent.once('response', (response) => collect(response).then(resolve, reject));
      if (typeof body === 'string' || Buffer.isBuffer(body)) sent.setHeader('content-length', Buffer.byteLength(body));
      else if (body !== undefined) for (const chunk of body) sent.write(chunk);
      sent.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : undefined);
    });
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Reply> {
    return this.request('GET', path, { headers });
  }

  put(path: string, body: Sent['body'], headers: Record<string, string> = {}): Promise<Reply> {
    return this.request('PUT', path, { headers, ...(body === undefined ? {} : { body }) });
  }

  delete(path: string, headers: Record<string, string> = {}): Promise<Reply> {
    return this.request('DELETE', path, { headers });
  }

  /** Sends bytes on a plain socket. Resolves to everything the server sends until it ends the connection. */
  raw(bytes: string | Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write(bytes));
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.once('error', reject);
      socket.once('end', () => resolve(Buffer.concat(chunks).toString('latin1')));
    });
  }

  /** Every file and folder below the root, sorted. */
  async entries(): Promise<string[]> {
    return (await readdir(this.directory, { recursive: true })).sort();
  }
}

async function collect(response: IncomingMessage): Promise<Reply> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return { status: response.statusCode ?? 0, headers: response.headers, bytes, text: bytes.toString('utf8') };
}
