import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A TCP port on loopback that nobody listens on at the moment, for programs that cannot be told to choose one.
 * Prefer port 0 wherever the program reports what it got.
 */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('the probe got no port');
  return address.port;
}
