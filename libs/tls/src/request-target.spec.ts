import { describe, expect, it, onTestFinished } from 'vitest';
import { closing, exchange, plain, Site, serverOnly } from './fixtures/site.js';

const site = new Site(onTestFinished);

/** Answers with what a handler sees of the request. */
const shown = {
  handler: {
    http: (request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) =>
      void response.setHeader('Connection', 'close').end(`${request.headers.host} ${request.url}`),
  },
};

const bodyOf = (said: string) => `${said.slice(9, 12)} ${said.split('\r\n\r\n')[1] ?? ''}`;
const hosted = (target: string, host = 'a.example:8000') => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;

async function overTls(port: number, request: string): Promise<string> {
  const socket = await site.openTls(port);
  let said = '';
  socket.on('data', (chunk) => {
    said += String(chunk);
  });
  socket.write(request);
  await closing(socket);
  return said;
}

describe('a request target in absolute form (RFC 9112 §3.2.2)', () => {
  it.each([
    ['with a path', hosted('http://a.example:8000/x/y?z=1'), '200 a.example:8000 /x/y?z=1'],
    ['without a path', hosted('http://a.example:8000'), '200 a.example:8000 /'],
    ['with a query alone', hosted('http://a.example:8000?z=1'), '200 a.example:8000 /?z=1'],
    ['in other letters than its Host', hosted('HTTP://A.Example:8000/x'), '200 A.Example:8000 /x'],
    ['with the port its scheme has', hosted('http://a.example:80/x', 'a.example'), '200 a.example:80 /x'],
    ['with an address', hosted('http://[::1]:8000/x', '[::1]:8000'), '200 [::1]:8000 /x'],
    ['in HTTP/1.0 without a Host', 'GET http://a.example/x HTTP/1.0\r\n\r\n', '200 a.example /x'],
  ])('is served like the path alone: %s', async (_case, request, answer) => {
    const { port } = await site.openListener(plain, shown);

    expect(bodyOf(await exchange(port, request))).toBe(answer);
  });

  it('is served over TLS when its scheme is https', async () => {
    const { port } = await site.openListener(serverOnly(), shown);

    expect(bodyOf(await overTls(port, hosted('https://a.example:8000/x')))).toBe('200 a.example:8000 /x');
  });

  it('is sent to https at the host it names, when it comes in plain text to a TLS port', async () => {
    const { port } = await site.openListener(serverOnly());

    const said = await exchange(port, 'GET http://a.example:8000/x HTTP/1.0\r\n\r\n');

    expect(said).toMatch(/^HTTP\/1\.1 307 [\s\S]*\r\nLocation: https:\/\/a\.example:8000\/x\r\n/);
  });

  it.each([
    ['another host than the Host header', hosted('http://b.example:8000/x')],
    ['another port than the Host header', hosted('http://a.example:8001/x')],
    ['no port, and the Host header one', hosted('http://a.example/x')],
    ['the port of another scheme', hosted('http://a.example:443/x', 'a.example')],
    ['user information', hosted('http://me@a.example:8000/x')],
    ['a password', hosted('http://me:pw@a.example:8000/x')],
    ['no host', hosted('http:///x')],
    ['the scheme of TLS on a plain connection', hosted('https://a.example:8000/x')],
    ['a scheme that is not HTTP', hosted('ftp://a.example:8000/x')],
    ['a backslash for the first slash of its path', hosted('http://a.example:8000\\x')],
    ['two Hosts', 'GET http://a/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
    ['no Host in HTTP/1.1', 'GET http://a/x HTTP/1.1\r\n\r\n'],
    ['an escape in its host', hosted('http://a%2eexample:8000/x')],
    ['raw bytes in its path', hosted('http://a.example:8000/\u00e9')],
  ])('gets 400 for %s, and no handler sees it', async (_case, request) => {
    const seen: unknown[] = [];
    const http = (each: { readonly url?: string | undefined }) => void seen.push(each.url);
    const { port } = await site.openListener(plain, { handler: { http }, limits: { lingerMs: 50 } });

    expect(await exchange(port, Buffer.from(request, 'latin1'))).toMatch(/^HTTP\/1\.1 400 /);
    expect(seen).toEqual([]);
  });

  it('gets 400 over TLS when its scheme is http', async () => {
    const { port } = await site.openListener(serverOnly(), { limits: { lingerMs: 50 } });

    expect(await overTls(port, hosted('http://a.example:8000/x'))).toMatch(/^HTTP\/1\.1 400 /);
  });
});
