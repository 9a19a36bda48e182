// Our endpoint behind mutual TLS, without the rest of the gateway; or Node's TLS alone, which shows what any program in Node
// has to pay. The first IPC message has the files, and it answers
// with its port.
import { readFileSync } from 'node:fs';
import { createServer, type TLSSocket } from 'node:tls';
import { CoapEndpoint, type RequestHandler } from '@sallyport/coap-wire';
import { z } from 'zod';

const processOptions = z.strictObject({
  isBare: z.boolean(),
  certPath: z.string(),
  keyPath: z.string(),
  caPath: z.string(),
});

// What libcoap's server answers for the same path.
const tellTime: RequestHandler = () => ({
  code: '2.05',
  contentFormat: 0,
  payload: Buffer.from(new Date().toISOString().slice(0, 15)),
});

const csm = Buffer.from('00e1', 'hex');
// GET /time with a token of four bytes, which begins at the third.
const requestBytes = 11;

/** Answers without a look at what comes, but for the token. */
function answerBlindly(socket: TLSSocket): void {
  socket.write(csm);
  socket.once('data', () => {
    socket.on('data', (bytes: Buffer) => {
      socket.cork();
      for (let at = 0; at < bytes.length; at += requestBytes) socket.write(answerTo(bytes.subarray(at + 2, at + 6)));
      socket.uncork();
    });
  });
  socket.on('error', () => socket.destroy());
}

function answerTo(token: Buffer): Buffer {
  // 2.05 with 17 bytes behind the token: Content-Format 0, the marker, and the time.
  const text = new Date().toISOString().slice(0, 15);
  return Buffer.concat([Buffer.from('d40445', 'hex'), token, Buffer.from('c0ff', 'hex'), Buffer.from(text)]);
}

process.once('message', (message) => {
  const { isBare, certPath, keyPath, caPath } = processOptions.parse(message);
  const [cert, key, ca] = [certPath, keyPath, caPath].map((path) => readFileSync(path));
  const options = { cert, key, ca, requestCert: true, rejectUnauthorized: true, noDelay: true };
  const server = createServer(options, (socket) => {
    if (isBare) answerBlindly(socket);
    else new CoapEndpoint(socket, { handler: tellTime });
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.send?.({ port: typeof address === 'string' ? undefined : address?.port });
  });
});
process.once('disconnect', () => process.exit(0));
