import { once } from 'node:events';
import { chmod, link, lstat, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname, join } from 'node:path';
import type { EmbeddedBroker } from '@sallyport/embedded-broker';
import { isAbsent } from '@sallyport/files';
import { deviceId, Problem, printable, type ServiceName, serviceName, userNameOf } from '@sallyport/protocol';
import { freeSocketPath, reasonOf } from '@sallyport/runtime';
import { type Opening, readOpening } from './door/opening.js';

/** From the connection to the end of its CONNECT. */
const connectMs = 10_000;

export interface BackSideSocketOptions {
  readonly broker: EmbeddedBroker;
  readonly onWarning: (text: string, fields: Readonly<Record<string, unknown>>) => void;
}

/**
 * The back side of the embedded broker: a Unix socket on which it serves the services of other processes. Only programs of
 * our own user can open it, so a service needs no other proof: its user name says which one it is.
 */
export class BackSideSocket {
  private readonly closing = new AbortController();
  private readonly sockets = new Set<Socket>();

  private constructor(
    private readonly server: Server,
    private readonly path: string,
    private readonly options: BackSideSocketOptions,
  ) {}

  /**
   * Opens the socket. What a crashed process left at its path is removed.
   *
   * @throws Problem `conflict`: another process listens there.
   * @throws Problem `config-invalid`: something else is there, or the folder cannot be used.
   */
  static async open(path: string, options: BackSideSocketOptions): Promise<BackSideSocket> {
    await checkPath(path);
    const server = createServer((socket) => void opened.serve(socket));
    const opened = new BackSideSocket(server, path, options);
    try {
      await listenPrivately(server, path);
    } catch (cause) {
      throw new Problem('config-invalid', `Cannot listen on mqtt.broker.socket: ${reasonOf(cause)}.`, { cause });
    }
    return opened;
  }

  /** Ends every connection, and removes the socket. Safe to call twice. */
  async close(): Promise<void> {
    if (this.closing.signal.aborted) return;
    this.closing.abort();
    await rm(this.path, { force: true });
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private async serve(socket: Socket): Promise<void> {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    try {
      const opening = await readOpening(socket, { deadlineMs: connectMs, signal: this.closing.signal });
      if (opening === undefined) socket.destroy();
      else this.admit(socket, opening);
    } catch (error) {
      this.options.onWarning('a connection to the back side of the broker was refused', { error });
      socket.destroy();
    }
  }

  private admit(socket: Socket, { connect, frame, rest }: Opening): void {
    const name = serviceOf(connect.userName);
    // The broker reads the CONNECT itself.
    socket.unshift(Buffer.concat([frame, rest]));
    this.options.broker.accept(socket, { deviceId: deviceId.parse(name), kind: 'service' });
  }
}

/** @throws Problem `forbidden`: the user name names no service of ours. */
function serviceOf(userName = ''): ServiceName {
  const name = serviceName.options.find(
    (each) => userName === userNameOf({ role: 'service', name: deviceId.parse(each) }),
  );
  if (name !== undefined) return name;
  throw new Problem(
    'forbidden',
    `The user name "${printable(userName)}" names no service. Only services may connect here.`,
  );
}

async function checkPath(path: string): Promise<void> {
  const present = await lstat(path).catch((error: unknown) => {
    if (isAbsent(error)) return undefined;
    throw new Problem('config-invalid', `Cannot use mqtt.broker.socket: ${String(error)}.`, { cause: error });
  });
  if (present?.isSocket() === false)
    throw new Problem('config-invalid', 'mqtt.broker.socket names a file that is no socket. Choose another path.');
  if (present !== undefined && !(await freeSocketPath(path)))
    throw new Problem(
      'conflict',
      'Another process serves on mqtt.broker.socket. Stop it first, or choose another path.',
    );
}

/**
 * Listens in a private folder first, so that nobody else can connect before the rights are set. The socket then gets its
 * name only if there is none: of two processes that start at once, one fails.
 */
async function listenPrivately(server: Server, path: string): Promise<void> {
  const folder = await mkdtemp(join(dirname(path), '.'));
  try {
    const aside = join(folder, 's');
    server.listen(aside);
    await once(server, 'listening');
    await chmod(aside, 0o600);
    await link(aside, path);
  } catch (error) {
    server.close();
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
