import { createServer } from 'node:net';
import { threadId } from 'node:worker_threads';

// Below the range of ports for outgoing connections. So none of these takes the port while a server restarts.
const [first, last] = [10_000, 32_000];
// Test files run in parallel threads. Between the search and the use of a port, another thread could find the same one.
const slices = 16;
const sliceWidth = Math.floor((last - first) / slices);
// A free port may be promised to a program that opens it later. So ports are given out one after the other.
let given = Math.floor(Math.random() * sliceWidth);

/**
 * Different free TCP ports of loopback, for programs that must be told their port. A port is given again only after
 * about a thousand others. Prefer port 0 wherever the program reports what it got.
 */
export async function freePorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    given = (given + 1) % sliceWidth;
    const port = first + (threadId % slices) * sliceWidth + given;
    if (await isFree(port)) found.add(port);
  }
  return [...found];
}

/** One such port. */
export async function freePort(): Promise<number> {
  const [port] = await freePorts(1);
  if (port === undefined) throw new Error('no port was found');
  return port;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
