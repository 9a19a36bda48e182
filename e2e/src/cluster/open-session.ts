import { readFileSync } from 'node:fs';
import { connect, type TLSSocket } from 'node:tls';

/** An open connection of a device to an agent, and the time of its end. */
export class OpenSession {
  /** Resolves to the time when the connection ended, in milliseconds of `performance.now()`. */
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

  /** Connects, waits for the answer to a first request, and keeps the connection open. */
  static async open(port: number, files: { ca: string; cert: string; key: string }): Promise<OpenSession> {
    const read = (path: string) => readFileSync(path, 'utf8');
    const identity = { ca: [read(files.ca)], cert: read(files.cert), key: read(files.key) };
    const socket = connect({ host: 'localhost', port, ...identity });
    // When the agent cuts the connection, it may end with a reset.
    socket.on('error', () => socket.destroy());
    const session = new OpenSession(socket);
    socket.write('GET /tedge/file-transfer/foo.txt HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await Promise.race([new Promise((resolve) => socket.on('data', resolve)), session.ended]);
    return session;
  }
}
