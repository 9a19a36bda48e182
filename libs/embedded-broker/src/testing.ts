import { createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { EmbeddedBroker, type EmbeddedBrokerOptions } from './embedded-broker.js';
import { type JournalDisk, openJournalFolder, type SegmentFile } from './journal/journal-disk.js';

/** The folder of a journal on a disk that can be full. */
export class FillingDisk {
  isFull = false;
  /** Bytes of the largest write so far. */
  largestWrite = 0;

  readonly open = async (directory: string): Promise<JournalDisk> => {
    const disk = await openJournalFolder(directory);
    return {
      ...disk,
      create: async (name) => this.limited(await disk.create(name)),
      reopen: async (name, length) => this.limited(await disk.reopen(name, length)),
    };
  };

  /** A full disk takes a part of what is written. */
  private limited(file: SegmentFile): SegmentFile {
    return {
      close: () => file.close(),
      write: async (bytes, at) => {
        this.largestWrite = Math.max(this.largestWrite, bytes.length);
        if (!this.isFull) return file.write(bytes, at);
        await file.write(bytes.subarray(0, bytes.length / 2), at);
        throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
      },
    };
  }
}

/** The embedded broker for tests of MQTT clients; it keeps everything in memory unless a store is given. */
export class TestBroker implements AsyncDisposable {
  private readonly servers: Server[] = [];

  private constructor(readonly broker: EmbeddedBroker) {}

  static async start(options: EmbeddedBrokerOptions = {}): Promise<TestBroker> {
    const broker = new EmbeddedBroker({ onWarning: () => undefined, ...options });
    await broker.ready;
    return new TestBroker(broker);
  }

  /** How a service of the same process reaches it; made for `connectMqtt`. */
  connection(clientId = 'test') {
    return { kind: 'in-process', openStream: (): Duplex => this.broker.openStream(), clientId } as const;
  }

  /** Opens a port on the loopback interface for clients without certificates; resolves to its URL. */
  async listen(): Promise<string> {
    const server = createServer((socket) => this.broker.accept(socket, undefined));
    this.servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('the test broker has no port');
    return `mqtt://127.0.0.1:${address.port}`;
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    const closed = this.servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve)));
    await this.broker.close();
    await Promise.all(closed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
