import { createServer } from 'node:net';
import { threadId } from 'node:worker_threads';

// Below the range the kernel gives to outgoing connections, so that none of them takes a port while its server restarts.
const [first, last] = [10_000, 32_000];
// Test files run in threads side by side, and between finding a port and listening on it another could find the same.
const slices = 16;
const sliceWidth = Math.floor((last - first) / slices);
// A port that is free now may have been given to a program that opens it later, so ports are given out one after another.
let given = Math.floor(Math.random() * sliceWidth);

/**
 * Different TCP ports of loopback that nobody listens on at the moment, for programs that have to be told theirs. None is
 * given again before some thousand others.
 * Prefer port 0 wherever the program reports what it got.
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
