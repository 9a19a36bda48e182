// Stands in for programs that already use the ports.
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Listens on ports of loopback, unless another program already does.
 *
 * @returns a function that frees the ports
 */
export async function holdPorts(ports) {
  const servers = [];
  for (const port of ports) {
    const server = createServer((socket) => socket.destroy()).listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
      servers.push(server);
    } catch (error) {
      if (error.code !== 'EADDRINUSE') throw error;
    }
  }
  return () => Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
}
