import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TLSSocket } from 'node:tls';
import { encodeCertsOnly } from '@sallyport/x509';
import { TestSite } from './test-site.fixture.js';

export interface EstAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** What the responder saw of one request. */
export interface SeenRequest {
  readonly operation: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  /** CN of the verified client certificate. */
  readonly clientName: string | undefined;
}

type Handler = (request: SeenRequest, response: ServerResponse) => EstAnswer | undefined;

/** A small, real EST server (RFC 7030 over node:https) whose answers a test may replace one by one. */
export class EstResponder {
  readonly seen: SeenRequest[] = [];
  private readonly handlers = new Map<string, Handler>();

  private constructor(
    readonly site: TestSite,
    private readonly server: Server,
  ) {
    this.on('cacerts', () => certsOnly([site.root.der, site.issuing.der]));
    const issue: Handler = ({ body }) => certsOnly([site.issueDevice(Buffer.from(body, 'base64')).der]);
    this.on('simpleenroll', issue);
    this.on('simplereenroll', (request, response) =>
      request.clientName === undefined ? { status: 401 } : issue(request, response),
    );
    server.on('request', (request, response) => void this.serve(request, response));
  }

  static async start(
    site: TestSite = new TestSite('Site'),
    certificate = site.issueServer([{ type: 'dns', value: 'localhost' }]),
  ): Promise<EstResponder> {
    const server = createServer({
      cert: certificate.certPem,
      key: certificate.keyPem,
      ca: [site.rootPem, certificate.certPem],
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new EstResponder(site, server);
  }

  get url(): string {
    return `https://localhost:${this.port}`;
  }

  get port(): number {
    return addressOf(this.server).port;
  }

  on(operation: string, handler: Handler): void {
    this.handlers.set(operation, handler);
  }

  get operations(): string[] {
    return this.seen.map(({ operation }) => operation);
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(Buffer.from(chunk));
    const operation = request.url?.split('/').at(-1) ?? '';
    const seen: SeenRequest = {
      operation,
      headers: request.headers,
      body: Buffer.concat(chunks).toString(),
      clientName: clientNameOf(request),
    };
    this.seen.push(seen);
    const answer = this.handlers.get(operation)?.(seen, response);
    if (answer === undefined) return;
    const { status = 200, headers = {}, body = '' } = answer;
    response.writeHead(status, headers);
    response.end(body);
  }
}

export function certsOnly(ders: readonly Uint8Array[]): EstAnswer {
  return {
    headers: { 'content-type': 'application/pkcs7-mime; smime-type=certs-only' },
    body: encodeCertsOnly(ders).toString('base64'),
  };
}

function clientNameOf({ socket }: IncomingMessage): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  const name: unknown = socket.getPeerCertificate().subject?.CN;
  return typeof name === 'string' ? name : undefined;
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the test server is not listening');
  return address;
}
