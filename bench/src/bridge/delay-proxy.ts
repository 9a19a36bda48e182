import { connect, createServer, type Socket } from 'node:net';

/** A TCP proxy that delivers each piece so much later, in both directions: a link with twice that as round trip. */
export class DelayProxy implements AsyncDisposable {
  private readonly sockets = new Set<Socket>();
  private readonly server = createServer({ noDelay: true }, (socket) => this.take(socket));

  private constructor(
    private readonly target: number,
    private readonly delayMs: number,
  ) {}

  static async open(target: number, delayMs: number): Promise<DelayProxy> {
    const proxy = new DelayProxy(target, delayMs);
    await new Promise<void>((resolve) => proxy.server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private take(client: Socket): void {
    const server = connect({ port: this.target, host: '127.0.0.1', noDelay: true });
    this.join(client, server);
    this.join(server, client);
  }

  private join(from: Socket, to: Socket): void {
    this.sockets.add(from);
    from.on('data', (piece) => setTimeout(() => to.writable && to.write(piece), this.delayMs));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.sockets.delete(from);
      setTimeout(() => to.destroy(), this.delayMs);
    });
  }
}
