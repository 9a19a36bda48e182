import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HostAndPort, HttpProxy } from './cloud-connection.js';
import { CloudDialError } from './dial-error.js';
import { placeText } from './host-and-port.js';

// A proxy has little to say. What it sends beyond is not read.
const longestHeadBytes = 16_384;

/**
 * Opens a tunnel to a host through an HTTP proxy (RFC 9110 §9.3.6, CONNECT).
 *
 * @param socket connected to the proxy; over TLS where the proxy wants that
 * @returns the same socket, from now on a byte stream to the host
 * @throws CloudDialError at stage `proxy`: the proxy refuses, or answers something else than HTTP
 */
export function openTunnel(socket: Socket, proxy: HttpProxy, target: HostAndPort): Promise<Socket> {
  const place = { host: proxy.host, port: proxy.port };
  const authority = placeText(target);
  return new Promise((resolve, reject) => {
    const fail = (message: string, proxyStatus?: number, cause?: unknown) => {
      socket.destroy();
      const failure = { stage: 'proxy', place, cause } as const;
      reject(new CloudDialError(message, proxyStatus === undefined ? failure : { ...failure, proxyStatus }));
    };
    const request = httpRequest({
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...authorizationOf(proxy) },
      createConnection: () => socket,
      maxHeaderSize: longestHeadBytes,
    });
    request.once('connect', (response: IncomingMessage, _stream: Duplex, early: Buffer) => {
      const status = response.statusCode ?? 0;
      if (status < 200 || status > 299) fail(`The proxy refused the tunnel with status ${status}.`, status);
      // A TLS server never speaks first, so these bytes are not from the host.
      else if (early.length > 0) fail('The proxy sent bytes before the tunnel was used.');
      else resolve(socket);
    });
    request.once('response', (response) => fail('The proxy gave an answer that opens no tunnel.', response.statusCode));
    request.once('error', (error) => fail('The connection to the proxy failed.', undefined, error));
    request.end();
  });
}

/** RFC 7617. */
function authorizationOf({ username, password }: HttpProxy): Record<string, string> {
  if (username === undefined || password === undefined) return {};
  const credentials = Buffer.from(`${username}:${password}`, 'utf8').toString('base64');
  return { 'proxy-authorization': `Basic ${credentials}` };
}
