import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Problem } from '@sallyport/protocol';

export interface PublicListenerOptions {
  readonly host: string;
  readonly port: number;
  /** Silence on a connection, in either direction, after which it is cut; default 30 s. */
  readonly idleMs?: number;
}

/** The plain HTTP listener for CRLs and CA certificates: small documents, read only, for anybody. */
export class PublicListener {
  private readonly server: Server;

  constructor(
    private readonly options: PublicListenerOptions,
    handler: RequestListener,
  ) {
    this.server = createServer(
      {
        headersTimeout: 10_000,
        requestTimeout: 15_000,
        keepAliveTimeout: 5_000,
        connectionsCheckingInterval: 2_000,
        maxHeaderSize: 8_192,
      },
      handler,
    );
    // Who asks for a large list and does not read it would hold one of the places for ever.
    this.server.timeout = options.idleMs ?? 30_000;
    this.server.maxConnections = 1_000;
    this.server.maxRequestsPerSocket = 100;
  }

  /** @throws Problem `unavailable`: the address cannot be bound */
  async listen(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port } = this.options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.server.once('error', reject).listen(port, host, resolve);
    await promise.catch((cause: unknown) => {
      throw new Problem(
        'unavailable',
        `Cannot listen on ${host}:${port} (pki.public.bind.address, pki.public.bind.port).`,
        {
          cause,
        },
      );
    });
    return { host, port: portOf(this.server.address()) ?? port };
  }

  /** Stops listening; connections that are idle end at once, the others when they have their answer. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    this.server.closeIdleConnections();
    await promise;
  }
}

function portOf(address: AddressInfo | string | null): number | undefined {
  return address === null || typeof address === 'string' ? undefined : address.port;
}
