// Only the data plane of a bridge, in a separate process: for benchmarks. The embedded broker can be in the same process.
// The first IPC message contains its options. When the bridge is up, it answers with the port of the local broker.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { EmbeddedBroker } from '@sallyport/embedded-broker';
import { z } from 'zod';
import { Bridge } from './plane/bridge.js';
import type { BridgeRules, BridgeSide } from './plane/bridge-types.js';

const files = z.strictObject({ caPath: z.string(), certPath: z.string(), keyPath: z.string() });
const processOptions = z.strictObject({
  /** The local broker: a port on loopback; or else the embedded one, with the folder of its journal if it has one. */
  local: z.union([z.strictObject({ port: z.number() }), z.strictObject({ directory: z.string().optional() })]),
  remotePort: z.number(),
  /** For mutual TLS to the remote broker. */
  tls: files.optional(),
  windowMessages: z.number(),
});
type ProcessOptions = z.infer<typeof processOptions>;
export type PlaneProcessOptions = z.input<typeof processOptions>;

/** Each topic below `load` goes out, as it is. */
const rules: BridgeRules = {
  filters: (side) => (side === 'local' ? ['load/#'] : []),
  map: (direction, topic) =>
    direction === 'outbound' && topic.startsWith('load/') ? { topic, rule: 'load', isBidirectional: false } : undefined,
};

function sideOf(open: () => Promise<Duplex>): BridgeSide {
  return { open, terms: () => ({ version: 4, clientId: 'bridge', isClean: false, keepAliveSeconds: 60 }) };
}

async function openRemote({ remotePort: port, tls }: ProcessOptions): Promise<Duplex> {
  const plain = { host: '127.0.0.1', port, noDelay: true };
  if (tls === undefined) return opened(connect(plain), 'connect');
  const [ca, cert, key] = [tls.caPath, tls.certPath, tls.keyPath].map((path) => readFileSync(path));
  return opened(connectTls({ ...plain, servername: 'localhost', ca, cert, key }), 'secureConnect');
}

async function opened(stream: Duplex, event: string): Promise<Duplex> {
  await once(stream, event);
  return stream;
}

/** The local broker, and its port for publishers. */
async function openLocal({ local }: ProcessOptions): Promise<{ side: BridgeSide; port: number }> {
  if ('port' in local) {
    const { port } = local;
    return { side: sideOf(() => opened(connect({ host: '127.0.0.1', port, noDelay: true }), 'connect')), port };
  }
  const { directory } = local;
  const broker = new EmbeddedBroker(directory === undefined ? {} : { directory });
  await broker.ready;
  const server = createServer({ noDelay: true }, (socket) => broker.accept(socket, undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return { side: sideOf(async () => broker.openStream()), port };
}

async function serve(message: unknown): Promise<void> {
  const options = processOptions.parse(message);
  const { side, port } = await openLocal(options);
  const bridge = new Bridge({
    local: side,
    remote: sideOf(() => openRemote(options)),
    rules,
    deadLetterPrefix: 'dead/',
    limits: { windowMessages: options.windowMessages },
    onState: ({ status }) => {
      if (status === 'up') process.send?.({ port });
    },
    onNotice: (notice) => console.error(notice),
  });
  bridge.start();
}

process.once('message', (message) => void serve(message));
process.once('disconnect', () => process.exit(0));
