import { createServer } from 'node:net';
import { join } from 'node:path';
import { EmbeddedBroker } from '@sallyport/embedded-broker';

/** The embedded broker as a process of its own. It reports its port, and ends when its parent has gone. */
export async function serveBroker(folder: string): Promise<void> {
  const broker = new EmbeddedBroker({ directory: join(folder, 'journal') });
  await broker.ready;
  const server = createServer({ noDelay: true }, (socket) => broker.accept(socket, undefined));
  server.listen(0, '127.0.0.1', () => process.send?.({ port: portOf(server.address()) }));
  process.once('disconnect', () => {
    server.close();
    void broker.close().then(() => process.exit());
  });
}

function portOf(address: ReturnType<ReturnType<typeof createServer>['address']>): number {
  return typeof address === 'object' && address !== null ? address.port : 0;
}
