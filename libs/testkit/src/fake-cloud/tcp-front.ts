import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { freePort } from '../free-port.js';

/**
 * A TCP port in front of a server that stays. It passes bytes unread, and has the faults of a network: it refuses, it
 * swallows everything, it cuts.
 */
export class TcpFront implements AsyncDisposable {
  /** Connections that came, also those that were only swallowed. */
  accepted = 0;
  private server: Server | undefined;
  private readonly pairs = new Set<readonly Socket[]>();
  private isHanging = false;

  private constructor(
    readonly port: number,
    private readonly backPort: () => number,
  ) {}

  /**
   * @param backPort where the server listens on loopback, asked for each connection
   * @param port     where clients connect; default: a free one
   */
  static async open(backPort: () => number, port?: number): Promise<TcpFront> {
    const front = new TcpFront(port ?? (await freePort()), backPort);
    await front.listen();
    return front;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.pairs.size;
  }

  /** Ends all connections without a word; new ones are welcome. */
  cut(): void {
    for (const pair of this.pairs) for (const socket of pair) socket.destroy();
  }

  /** Cuts, and refuses new connections until `heal`. */
  async refuse(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    const closed = server === undefined ? undefined : once(server, 'close');
    server?.close();
    this.cut();
    await closed;
  }

  /** Swallows everything, on the connections that are open and on new ones, until `heal`. */
  hang(): void {
    this.isHanging = true;
    for (const pair of this.pairs) for (const socket of pair) socket.unpipe().pause();
  }

  /** Back to normal. Connections that hung are cut: they may have lost bytes. */
  async heal(): Promise<void> {
    if (this.isHanging) this.cut();
    this.isHanging = false;
    if (this.server === undefined) await this.listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
  }

  private async listen(): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.take(socket));
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.server = server;
  }

  private take(client: Socket): void {
    this.accepted += 1;
    const back = this.isHanging ? [] : [connect({ port: this.backPort(), host: '127.0.0.1', allowHalfOpen: true })];
    const pair = [client, ...back];
    this.pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.once('close', () => {
        this.pairs.delete(pair);
        for (const other of pair) other.destroy();
      });
    }
    for (const upstream of back) client.pipe(upstream).pipe(client);
  }
}
