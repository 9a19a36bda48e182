import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { CoapEndpoint, type CoapEndpointOptions } from './endpoint/coap-endpoint.js';
import type { CoapResponse, OutgoingRequest } from './exchange.js';

export interface CoapClientOptions extends CoapEndpointOptions {
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** With it the connection is TLS. As OCF devices do, the client does not compare the name of the server. */
  readonly tls?: ConnectionOptions;
}

/** A device of a test: both serves requests and sends them. */
export class CoapClient extends CoapEndpoint implements AsyncDisposable {
  constructor(
    readonly socket: Socket,
    options: CoapEndpointOptions,
  ) {
    super(socket, { ...options, limits: { ownRequestsAtOnce: 64, ...options.limits } });
  }

  /** Sends a request; what is not given is GET, without a body, with 10 seconds for the answer. */
  ask(path: string, request: Partial<OutgoingRequest> & { readonly deadlineMs?: number } = {}): Promise<CoapResponse> {
    const { deadlineMs = 10_000, ...parts } = request;
    return this.request({ method: 'GET', path: path.split('/').slice(1), ...parts }, { deadlineMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
    await this.ended;
  }
}

/**
 * Connects as a device does. With TLS 1.3 it resolves before the server has judged the certificate: `opened` tells
 * whether it was accepted.
 *
 * @throws Error the connection or the handshake failed
 */
export async function connectCoap({
  port,
  host = '127.0.0.1',
  tls,
  ...options
}: CoapClientOptions): Promise<CoapClient> {
  const socket =
    tls === undefined
      ? connectTcp({ port, host })
      : connectTls({ port, host, checkServerIdentity: () => undefined, ...tls });
  await once(socket, tls === undefined ? 'connect' : 'secureConnect');
  return new CoapClient(socket, options);
}
