import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';

/** An open connection of a device to an agent, and the moment it ends. */
export class OpenSession {
  /** Resolves to when the connection ended, in milliseconds of `performance.now()`. */
  readonly ended: Promise<number>;
  isOpen = true;

  private constructor(socket: TLSSocket) {
    this.ended = new Promise((resolve) => {
      socket.once('close', () => {
        this.isOpen = false;
        resolve(performance.now());
      });
    });
  }

  /** Connects, waits for the answer to a first request, and keeps the connection for the next. */
  static async open(port: number, files: { ca: string; cert: string; key: string }): Promise<OpenSession> {
    const read = (path: string) => readFileSync(path, 'utf8');
    const identity = { ca: [read(files.ca)], cert: read(files.cert), key: read(files.key) };
    const socket = connect({ host: 'localhost', port, ...identity });
    // A connection that is cut may end with a reset.
    socket.on('error', () => socket.destroy());
    const session = new OpenSession(socket);
    socket.write('GET /tedge/file-transfer/foo.txt HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await Promise.race([new Promise((resolve) => socket.on('data', resolve)), session.ended]);
    return session;
  }
}
