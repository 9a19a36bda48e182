import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { waitFor } from './wait-for.js';

export interface RawTarget {
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** With it the connection is TLS. */
  readonly tls?: ConnectionOptions;
}

/** An HTTP response as it came over the wire. */
export interface RawResponse {
  readonly status: number;
  /** Names of the headers as they are spelt, in order. */
  readonly headerNames: readonly string[];
  /** Names in lower case; of repeated headers the last. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A socket that sends exactly the bytes of a test, and shows what comes back. */
export class RawConnection implements AsyncDisposable {
  private received = Buffer.alloc(0);
  private fault: Error | undefined;

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    socket.on('error', (error) => {
      this.fault = error;
    });
  }

  /** Connects; with TLS waits for the handshake. */
  static async open({ port, host = '127.0.0.1', tls }: RawTarget): Promise<RawConnection> {
    const socket = tls === undefined ? connectTcp(port, host) : connectTls({ port, host, ...tls });
    await once(socket, tls === undefined ? 'connect' : 'secureConnect');
    return new RawConnection(socket);
  }

  /** Everything received that no response has taken yet. */
  get unread(): Buffer {
    return this.received;
  }

  get isClosed(): boolean {
    return this.socket.destroyed;
  }

  send(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** Waits for one whole response. The connection can be used again. */
  async response(): Promise<RawResponse> {
    const { response, length } = await waitFor(() => parseResponse(this.received, this.socket.readableEnded), {
      what: `a response (received so far: ${JSON.stringify(this.received.toString('latin1').slice(0, 200))})`,
    });
    this.received = this.received.subarray(length);
    return response;
  }

  /** Waits until the other side has closed the connection. Resolves to the error of the socket, if any. */
  async closed(): Promise<Error | undefined> {
    await waitFor(() => this.socket.destroyed || this.socket.readableEnded, {
      what: 'the end of the connection',
    });
    return this.fault;
  }

  destroy(): void {
    this.socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
  }
}

function parseResponse(bytes: Buffer, hasEnded: boolean): { response: RawResponse; length: number } | undefined {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [statusLine = '', ...lines] = bytes.subarray(0, headEnd).toString('latin1').split('\r\n');
  const headerNames = lines.map((line) => line.slice(0, line.indexOf(':')));
  const headers = Object.fromEntries(lines.map(parseHeader));
  const status = Number(statusLine.split(' ')[1]);
  const rest = bytes.subarray(headEnd + 4);
  const framed = parseBody(rest, status, headers, hasEnded);
  return (
    framed && { response: { status, headerNames, headers, body: framed.body }, length: headEnd + 4 + framed.length }
  );
}

function parseHeader(line: string): [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}

function parseBody(
  rest: Buffer,
  status: number,
  headers: Record<string, string>,
  hasEnded: boolean,
): { body: Buffer; length: number } | undefined {
  if (headers['transfer-encoding'] === 'chunked') return parseChunks(rest);
  const hasNone = status < 200 || status === 204 || status === 304;
  const declared = hasNone ? 0 : Number(headers['content-length'] ?? Number.NaN);
  if (Number.isNaN(declared)) return hasEnded ? { body: rest, length: rest.length } : undefined;
  return rest.length < declared ? undefined : { body: rest.subarray(0, declared), length: declared };
}

function parseChunks(rest: Buffer): { body: Buffer; length: number } | undefined {
  const chunks: Buffer[] = [];
  for (let offset = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', offset);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(rest.subarray(offset, lineEnd).toString('latin1'), 16);
    const start = lineEnd + 2;
    if (rest.length < start + size + 2) return undefined;
    if (size === 0) return { body: Buffer.concat(chunks), length: start + 2 };
    chunks.push(rest.subarray(start, start + size));
    offset = start + size + 2;
  }
}
