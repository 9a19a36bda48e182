import { createServer } from 'node:net';

// Below the range the kernel gives to outgoing connections, so that none of them takes a port while its server restarts.
const [first, last] = [10_000, 32_000];

/** Different ports of loopback nobody listens on now, for a program that has to be told its ports. */
export async function unusedPorts(count: number): Promise<number[]> {
  const found = new Set<number>();
  while (found.size < count) {
    const port = first + Math.floor(Math.random() * (last - first));
    if (await isUnused(port)) found.add(port);
  }
  return [...found];
}

function isUnused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
