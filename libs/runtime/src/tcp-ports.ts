import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { hasCode } from '@sallyport/files';

/** Holds ports until they are released. */
export class HeldPorts {
  private readonly servers: Server[] = [];

  /** Takes a port; false if another program holds it. True also if the address cannot be used: then nobody holds it. */
  async take(host: string, port: number): Promise<boolean> {
    // Close each connection at once: we cannot release the port while one is open.
    const server = createServer((socket) => socket.destroy()).listen({ host, port });
    try {
      await once(server, 'listening');
      this.servers.push(server);
      return true;
    } catch (error) {
      return !isAddressInUse(error);
    }
  }

  async release(): Promise<void> {
    await Promise.all(this.servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  }
}

/** Whether an error, or one of its causes, says that another program listens on the address. */
export function isAddressInUse(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return hasCode(error, 'EADDRINUSE') || isAddressInUse(error.cause);
}
