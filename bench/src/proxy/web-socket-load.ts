import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

// RFC 6455 §5.2: a masked binary frame of 64 bytes. The upstream sends it back as it came.
const frame = Buffer.concat([Buffer.from([0x82, 0x80 | 64, 1, 2, 3, 4]), Buffer.alloc(64, 7)]);

/** A WebSocket through a proxy, whose other end sends back what it gets. */
export class EchoSocket {
  private missing = 0;
  private answered: (() => void) | undefined;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (bytes: Buffer) => {
      this.missing -= bytes.length;
      if (this.missing <= 0) this.answered?.();
    });
  }

  static async open(port: number, path: string): Promise<EchoSocket> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const fields =
      'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n`);
    const [head]: Buffer[] = await once(socket, 'data');
    if (head?.toString('latin1').startsWith('HTTP/1.1 101 ') !== true) throw new Error(`No WebSocket: ${head}`);
    return new EchoSocket(socket);
  }

  /** Sends one message of 64 bytes and waits until it is back. */
  echo(): Promise<void> {
    this.missing = frame.length;
    return new Promise((resolve) => {
      this.answered = resolve;
      this.socket.write(frame);
    });
  }

  close(): void {
    this.socket.destroy();
  }
}
