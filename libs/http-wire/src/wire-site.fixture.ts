import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { IncomingRequest, ResponseWriter, ServerLimits } from './api.js';
import { serveHttp } from './server-connection.js';

export type Handler = (request: IncomingRequest, response: ResponseWriter) => void;

/** Servers and clients on loopback. Call `close` after each test. */
export class WireSite {
  private readonly cleanups: (() => void)[] = [];

  /** Listens on a free port. @returns the port */
  async listen(onConnection: (socket: Socket) => void): Promise<number> {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      this.cleanups.push(() => socket.destroy());
      socket.on('error', () => undefined);
      onConnection(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.cleanups.push(() => server.close());
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('The server has no port.');
    return address.port;
  }

  /** Serves every connection with a handler. @returns the port */
  serve(handler: Handler, limits: Partial<ServerLimits> = {}): Promise<number> {
    return this.listen((socket) => void serveHttp(socket, { handler, limits }));
  }

  async client(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    this.cleanups.push(() => socket.destroy());
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  /** Sends bytes on a connection of their own. @returns everything the server said until it ended the connection */
  async exchange(port: number, bytes: string): Promise<string> {
    const client = await this.client(port);
    client.say(bytes);
    return client.ended();
  }

  /** Ends something else together with the site. */
  own(thing: { destroy: () => unknown }): void {
    this.cleanups.push(() => void thing.destroy());
  }

  close(): void {
    for (const cleanup of this.cleanups.splice(0)) cleanup();
  }
}

/** A client that says what it is told, and remembers what it hears. */
export class RawClient {
  heard = '';
  private waiters: (() => void)[] = [];

  constructor(readonly socket: Socket) {
    socket.on('data', (chunk: Buffer) => {
      this.heard += chunk.toString('latin1');
      this.wake();
    });
    socket.on('error', () => undefined);
    socket.on('end', () => this.wake());
    socket.on('close', () => this.wake());
  }

  say(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** Resolves with all that was heard, when it holds the text. */
  async hear(text: string): Promise<string> {
    while (!this.heard.includes(text)) {
      if (this.hasEnded) throw new Error(`The end came before: ${this.heard}`);
      await this.moved();
    }
    return this.heard;
  }

  /** Resolves with all that was heard, when the other side has ended the connection. */
  async ended(): Promise<string> {
    while (!this.hasEnded) await this.moved();
    return this.heard;
  }

  private get hasEnded(): boolean {
    return this.socket.readableEnded || this.socket.destroyed;
  }

  private moved(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}
