// The cloud of the benchmark: HTTPS with cheap answers, so that the proxies in front of it are what is measured. The first
// IPC message has the paths of its certificate and key, and it answers with its port.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:tls';
import { type Body, type BodySink, type IncomingRequest, type ResponseWriter, serveHttp } from '@sallyport/http-wire';
import { z } from 'zod';

const json = Buffer.from(JSON.stringify({ managedObjects: [{ id: '4711', name: 'child01', type: 'thin-edge' }] }));
const piece = Buffer.alloc(256 * 1024, 'sallyport');

/** A body of so many bytes, as fast as its reader takes it. */
class LargeBody implements Body {
  readonly isReplayable = true;
  private sink: BodySink | undefined;
  private left: number;

  constructor(readonly length: number) {
    this.left = length;
  }

  flow(sink: BodySink): void {
    this.sink = sink;
    this.resume();
  }

  resume(): void {
    const { sink } = this;
    while (sink !== undefined && this.left > 0) {
      const bytes = Math.min(this.left, piece.length);
      this.left -= bytes;
      sink.write(piece.subarray(0, bytes));
      if (this.left === 0) sink.end();
      else if (!sink.flush()) return;
    }
  }

  cancel(): void {
    this.sink = undefined;
  }
}

function answer(request: IncomingRequest, response: ResponseWriter): void {
  const [, kind, bytes] = request.target.split('/');
  if (request.upgrade !== undefined) echo(response);
  else if (request.method === 'PUT') discard(request.body, () => response.answer(204, [], ''));
  else if (kind === 'large') response.send({ status: 200, fields: [] }, new LargeBody(Number(bytes)));
  else response.answer(200, ['Content-Type', 'application/json', 'X-Correlation-Id', '0123456789abcdef'], json);
}

function discard(body: Body, end: () => void): void {
  body.flow({ write: () => undefined, flush: () => true, end, fail: () => undefined });
}

function echo(response: ResponseWriter): void {
  const { socket, head } = response.switchProtocols(['Upgrade', 'websocket', 'Connection', 'Upgrade']);
  socket.on('data', (bytes: Buffer) => void socket.write(bytes));
  socket.resume();
  if (head.length > 0) socket.write(head);
}

const files = z.strictObject({ certPath: z.string(), keyPath: z.string() });

process.once('message', (message) => {
  const { certPath, keyPath } = files.parse(message);
  const server = createServer({ cert: readFileSync(certPath), key: readFileSync(keyPath), noDelay: true }, (socket) => {
    serveHttp(socket, { handler: answer, limits: { keepAliveMs: 600_000 } });
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'string' ? undefined : address?.port });
  });
});
process.once('disconnect', () => process.exit(0));
