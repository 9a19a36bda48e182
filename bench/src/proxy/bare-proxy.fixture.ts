// A proxy with nothing but the wire: what the framing itself costs. The first IPC message has the upstream, and it answers
// with its port.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { connect, createSecureContext } from 'node:tls';
import {
  endToEndFields,
  type IncomingRequest,
  type ResponseWriter,
  serveHttp,
  tunnel,
  UpstreamPool,
} from '@sallyport/http-wire';
import { z } from 'zod';

const processOptions = z.strictObject({ upstreamPort: z.number(), caPath: z.string() });
const dropped = new Set(['host', 'authorization']);

function startProxy({ upstreamPort, caPath }: z.infer<typeof processOptions>): (port: number) => void {
  const secureContext = createSecureContext({ ca: [readFileSync(caPath)] });
  const pool = new UpstreamPool({
    dial: async (signal) => {
      const socket = connect({ port: upstreamPort, host: '127.0.0.1', servername: 'localhost', secureContext });
      socket.setNoDelay(true);
      await once(socket, 'secureConnect', { signal });
      return socket;
    },
    limits: { connections: 64 },
  });
  const added = ['Host', 'localhost', 'Authorization', `Bearer ${'t'.repeat(500)}`];
  const handler = (request: IncomingRequest, response: ResponseWriter): void => {
    const fields = endToEndFields(request.fields, dropped);
    const { method, target, body, upgrade } = request;
    const isUpgrade = upgrade !== undefined;
    const outgoing = { method, target, body, fields: [...added, ...fields] };
    const upgrading = isUpgrade ? ['Connection', 'Upgrade', 'Upgrade', upgrade] : [];
    const exchange = isUpgrade
      ? pool.upgrade({ ...outgoing, fields: [...outgoing.fields, ...upgrading] })
      : pool.exchange(outgoing);
    request.onAbandoned(() => exchange.abort());
    exchange.settle(
      (answer) => {
        const { status, reason } = answer;
        const answered = endToEndFields(answer.fields);
        if (answer.tunnel === undefined) response.send({ status, reason, fields: answered }, answer.body);
        else tunnel(response.switchProtocols([...answered, ...upgrading]), answer.tunnel);
      },
      () => response.cut(),
    );
  };
  const server = createServer({ noDelay: true }, (socket) => {
    serveHttp(socket, { handler });
  });
  return (port) => {
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      process.send?.({ port: typeof address === 'string' ? undefined : address?.port });
    });
  };
}

process.once('message', (message) => startProxy(processOptions.parse(message))(0));
process.once('disconnect', () => process.exit(0));
