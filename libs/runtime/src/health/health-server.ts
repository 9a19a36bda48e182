import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What a path of the health server answers. */
export interface HealthAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** What is served, by path. */
export type HealthPages = Readonly<Record<string, () => Promise<HealthAnswer>>>;

// A probe is a request line and a few headers.
const limits = {
  maxHeaderSize: 4_096,
  headersTimeout: 5_000,
  requestTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
};
// Also ends connections whose client does not read the answer.
const idleTimeoutMs = 10_000;
const mostConnections = 32;

const shortAnswer = { contentType: 'text/plain; charset=utf-8' };
const notFound: HealthAnswer = { ...shortAnswer, status: 404, body: 'Here are /healthz, /readyz and /metrics.\n' };
const notAllowed: HealthAnswer = { ...shortAnswer, status: 405, body: 'Only GET and HEAD are served here.\n' };
const failed: HealthAnswer = { ...shortAnswer, status: 500, body: 'Something failed inside. The log says what.\n' };

/**
 * A small HTTP server for probes. It serves its pages to GET and HEAD, and nothing else. A connection ends after one
 * request, so no client keeps it. Concurrent requests for one page share one answer, so many cost as much as one.
 */
export class HealthServer {
  private readonly server: Server;
  /** The oldest first. */
  private readonly connections = new Set<Socket>();
  private readonly underWay = new Map<string, Promise<HealthAnswer>>();

  /** @param onFault gets the error when a page could not be made */
  constructor(
    private readonly pages: HealthPages,
    private readonly onFault: (error: unknown) => void,
  ) {
    this.server = createServer(limits, (request, response) => void this.serve(request, response));
    this.server.on('connection', (socket) => this.take(socket));
    this.server.setTimeout(idleTimeoutMs);
  }

  /** @throws Error `EADDRINUSE` and its like: cannot listen there */
  async listen(address: { host: string; port: number }): Promise<AddressInfo | string | null> {
    this.server.listen(address);
    await once(this.server, 'listening');
    // A connection could not be accepted. Without a listener this event would end the process.
    this.server.on('error', this.onFault);
    return this.server.address();
  }

  /** Closes all connections at once. A probe without an answer asks again. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }

  /** Makes room by ending the oldest connection: an honest probe takes milliseconds, others must not keep it out. */
  private take(socket: Socket): void {
    const [oldest] = this.connections;
    if (oldest !== undefined && this.connections.size >= mostConnections) {
      this.connections.delete(oldest);
      oldest.destroy();
    }
    this.connections.add(socket);
    socket.once('close', () => this.connections.delete(socket));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, contentType, body } = await this.answer(request);
    response.writeHead(status, {
      'Content-Type': contentType,
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      Connection: 'close',
      ...(status === 405 ? { Allow: 'GET, HEAD' } : {}),
    });
    // Node sends no body in answer to HEAD.
    response.end(body);
  }

  private async answer({ method, url = '' }: IncomingMessage): Promise<HealthAnswer> {
    const [path = ''] = url.split('?', 1);
    const page = Object.hasOwn(this.pages, path) ? this.pages[path] : undefined;
    if (page === undefined) return notFound;
    if (method !== 'GET' && method !== 'HEAD') return notAllowed;
    try {
      return await this.made(path, page);
    } catch (error) {
      this.onFault(error);
      return failed;
    }
  }

  private made(path: string, page: () => Promise<HealthAnswer>): Promise<HealthAnswer> {
    const known = this.underWay.get(path);
    if (known !== undefined) return known;
    const making = page().finally(() => this.underWay.delete(path));
    this.underWay.set(path, making);
    return making;
  }
}
