import { request as httpRequest } from 'node:http';
import type { Socket } from 'node:net';
import type { HostAndPort } from './cloud-connection.js';
import { hostFieldOf } from './host-and-port.js';

const patienceMs = 5_000;

/**
 * What an HTTP server takes for the time (RFC 9110 §6.6.1), to the second. Undefined: it does not say, or not in time.
 *
 * @param socket connected to the server; it is closed afterwards
 */
export function serverTimeOver(socket: Socket, place: HostAndPort): Promise<Date | undefined> {
  return new Promise((resolve) => {
    const request = httpRequest({
      method: 'HEAD',
      path: '/',
      headers: { host: hostFieldOf(place) },
      createConnection: () => socket,
      signal: AbortSignal.timeout(patienceMs),
    });
    request.once('response', (response) => {
      const time = new Date(response.headers.date ?? '');
      resolve(Number.isNaN(time.getTime()) ? undefined : time);
      request.destroy();
    });
    request.on('error', () => resolve(undefined)).end();
  });
}
