import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { hasCode } from '@sallyport/files';

/** Ports of one or more addresses, taken until they are released. */
export class HeldPorts {
  private readonly servers: Server[] = [];

  /** Listens there; false when somebody does already. An address that cannot be used at all is nobody's. */
  async take(host: string, port: number): Promise<boolean> {
    // Whoever comes meanwhile is sent away: an open connection would keep us from releasing the port.
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

/** Whether an error, or what caused it, is that somebody listens on the address already. */
export function isAddressInUse(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return hasCode(error, 'EADDRINUSE') || isAddressInUse(error.cause);
}
