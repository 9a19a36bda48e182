import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EstResponder } from './est-responder.fixture.js';
import { EstClient } from './index.js';

/** A server that answers the first bytes of each connection with these; its address. */
async function serverThatSays(answer: Buffer | string): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.end(answer));
  });
  return urlOf(server);
}

/** A server that drops each connection as soon as it hears something. */
async function serverThatResets(): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => socket.resetAndDestroy());
  });
  return urlOf(server);
}

async function urlOf(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  const address = server.address();
  return `https://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
}

/** RFC 8446 §6: content type alert, TLS 1.2 for compatibility, two bytes: fatal, and which. */
const alert = (description: number) => Buffer.from([21, 3, 3, 0, 2, 2, description]);

const ask = (url: string) => new EstClient({ url, trust: { rootsPem: [] } }).caCertificates();

describe('a refusal in JSON (RFC 9457)', () => {
  it('is shown in its words, not in its braces', async () => {
    const responder = await EstResponder.start();
    onTestFinished(() => responder.close());
    const detail = 'The device is locked. Unlock it: sallyport device unlock DEVICE';
    const body = JSON.stringify({ reason: 'device-locked', status: 403, detail });
    responder.on('cacerts', () => ({ status: 403, headers: { 'content-type': 'application/problem+json' }, body }));
    const client = new EstClient({ url: responder.url, trust: { rootsPem: [responder.site.rootPem] } });

    await expect(client.caCertificates()).rejects.toMatchObject({
      type: 'csr-forbidden',
      message: `${responder.url} does not allow this request (${detail}). Ask the operator of the server.`,
    });
  });
});

describe('a connection that fails', () => {
  it.each([
    [116, 'it wants a client certificate, and none was sent. Enrol first.'],
    [42, 'it does not accept the certificate of this device. Its log says why.'],
    [43, 'the certificate of this device is of a kind it does not take. Enrol again.'],
    [44, 'the certificate of this device has been revoked. Enrol again with a new token.'],
    [45, 'the certificate of this device has expired. Check the clock, or enrol again with a new token.'],
    [46, 'it does not accept the certificate of this device. Its log says why.'],
    [48, 'it does not know the CA of the certificate of this device. Check the URL, or enrol there.'],
    [49, 'it knows the certificate of this device and does not let it in. Its log says why.'],
  ])('with TLS alert %i says in words why this device was turned away', async (description, words) => {
    const url = await serverThatSays(alert(description));

    await expect(ask(url)).rejects.toMatchObject({
      type: 'credentials-invalid',
      message: `${url} ended the handshake: ${words}`,
    });
  });

  it('without a word is not blamed on the port alone: a server may refuse a device so', async () => {
    const url = await serverThatResets();

    await expect(ask(url)).rejects.toMatchObject({
      type: 'unavailable',
      message: `Cannot talk to ${url}: the server closed the connection without a word. It may refuse this device, and then its log says why; else check the port.`,
    });
  });

  it.each([
    ['an SSH server', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a web server without TLS', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
  ])('because %s answers says that the port does not speak TLS', async (_, banner) => {
    await expect(ask(await serverThatSays(banner))).rejects.toMatchObject({
      type: 'unavailable',
      message: expect.stringContaining('the port does not speak TLS. Check the port.'),
    });
  });

  it('over the name of the server says which names its certificate is for', async () => {
    const responder = await EstResponder.start();
    onTestFinished(() => responder.close());
    const url = responder.url.replace('localhost', '127.0.0.1');
    const client = new EstClient({ url, trust: { rootsPem: [responder.site.rootPem] } });

    await expect(client.caCertificates()).rejects.toMatchObject({
      type: 'certificate-rejected',
      message: expect.stringContaining('it is for another host name, not for 127.0.0.1 but for DNS:localhost'),
    });
  });
});
