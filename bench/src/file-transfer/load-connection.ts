import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** The address of a server, and the certificate that a client shows. */
export interface ServerAddress {
  readonly port: number;
  readonly caPem?: string;
  readonly certPem?: string;
  readonly keyPem?: string;
}

export interface LoadRequest {
  readonly method: 'GET' | 'PUT' | 'POST';
  readonly path: string;
  readonly bodyBytes: number;
  /** What is sent, up to `bodyBytes`; any bytes when absent. */
  readonly body?: Buffer;
}

const piece = Buffer.alloc(1024 * 1024, 'sallyport');
const headEnd = Buffer.from('\r\n\r\n');

/** A cheap keep-alive client: it sends a request, waits for the whole response, and sends the next. */
export class LoadConnection {
  private head: Buffer = Buffer.alloc(0);
  /** Bytes of the response that are still missing; undefined while its head is not complete. */
  private missing: number | undefined;
  private settle: { resolve: () => void; reject: (error: Error) => void } | undefined;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (chunk) => this.take(chunk));
    socket.on('error', (error) => this.settle?.reject(error));
    socket.on('close', () => this.settle?.reject(new Error('The server ended the connection.')));
  }

  static async open({ port, caPem, certPem, keyPem }: ServerAddress): Promise<LoadConnection> {
    if (caPem === undefined) {
      const socket = connectTcp({ port, host: '127.0.0.1', noDelay: true });
      await once(socket, 'connect');
      return new LoadConnection(socket);
    }
    const identity = certPem === undefined || keyPem === undefined ? {} : { cert: certPem, key: keyPem };
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: caPem, ...identity });
    await once(socket, 'secureConnect');
    return new LoadConnection(socket);
  }

  /** Resolves at the end of a 2xx response. */
  async exchange({ method, path, bodyBytes, body = piece }: LoadRequest): Promise<void> {
    const answered = new Promise<void>((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    const length = method === 'GET' ? '' : `Content-Length: ${bodyBytes}\r\n`;
    const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${length}\r\n`;
    await Promise.all([answered, this.send(head, body, bodyBytes)]);
  }

  close(): void {
    this.settle = undefined;
    this.socket.destroy();
  }

  private async send(head: string, body: Buffer, bodyBytes: number): Promise<void> {
    if (bodyBytes <= piece.length) {
      this.socket.write(Buffer.concat([Buffer.from(head), body.subarray(0, bodyBytes)]));
      return;
    }
    this.socket.write(head);
    for (let left = bodyBytes; left > 0; left -= piece.length) {
      const isTaken = this.socket.write(piece.subarray(0, Math.min(left, piece.length)));
      if (!isTaken) await once(this.socket, 'drain');
    }
  }

  private take(chunk: Buffer): void {
    if (this.missing === undefined) {
      this.head = this.head.length === 0 ? chunk : Buffer.concat([this.head, chunk]);
      const end = this.head.indexOf(headEnd);
      if (end < 0) return;
      const received = this.head.length - end - headEnd.length;
      this.missing = bodyLength(this.head.toString('latin1', 0, end)) - received;
      this.head = Buffer.alloc(0);
    } else this.missing -= chunk.length;
    if (this.missing > 0) return;
    this.missing = undefined;
    this.settle?.resolve();
  }
}

function bodyLength(head: string): number {
  if (!/^HTTP\/1\.1 2/.test(head)) throw new Error(`The server answered: ${head}`);
  return Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0);
}
