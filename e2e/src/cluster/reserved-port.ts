import { once } from 'node:events';
import { createServer } from 'node:net';

// Linux takes the near ends of connections from 32768 up. A port of a service that is down for a moment must not be
// taken for one of them.
const first = 20_000;
const last = 30_000;

/** A port nobody listens on, which stays free while its service restarts. */
export async function reservedPort(): Promise<number> {
  for (;;) {
    const port = first + Math.floor(Math.random() * (last - first));
    const server = createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      return port;
    } catch {
      // Taken: try another.
    } finally {
      server.close();
    }
  }
}
