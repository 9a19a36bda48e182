// Our endpoint behind mutual TLS, without the rest of the gateway. The first IPC message has the files, and it answers
// with its port.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:tls';
import { CoapEndpoint, type RequestHandler } from '@sallyport/coap-wire';
import { z } from 'zod';

const processOptions = z.strictObject({ certPath: z.string(), keyPath: z.string(), caPath: z.string() });

// What libcoap's server answers for the same path.
const tellTime: RequestHandler = () => ({
  code: '2.05',
  contentFormat: 0,
  payload: Buffer.from(new Date().toISOString().slice(0, 15)),
});

process.once('message', (message) => {
  const { certPath, keyPath, caPath } = processOptions.parse(message);
  const [cert, key, ca] = [certPath, keyPath, caPath].map((path) => readFileSync(path));
  const options = { cert, key, ca, requestCert: true, rejectUnauthorized: true, noDelay: true };
  const server = createServer(options, (socket) => void new CoapEndpoint(socket, { handler: tellTime }));
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'string' ? undefined : address?.port });
  });
});
process.once('disconnect', () => process.exit(0));
