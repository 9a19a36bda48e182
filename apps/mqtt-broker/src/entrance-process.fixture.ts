import { answerRefused } from '@sallyport/mqtt-wire';
// Only the listener, with the door or the embedded broker behind it, in a separate process: for benchmarks and proofs. The
// first IPC message contains its options, and it answers with its port. Each further message names a device to revoke.
import 'reflect-metadata';
import { EmbeddedBroker } from '@sallyport/embedded-broker';
import { deviceId, MqttAccess } from '@sallyport/protocol';
import { openLog, SystemClock } from '@sallyport/runtime';
import { type Connection, networkOf, readSecurityFiles, SecureListener } from '@sallyport/tls';
import { Registry } from 'prom-client';
import { z } from 'zod';
import { brokerLimits } from './broker-service.js';
import { BackSide } from './door/back-side.js';
import { Door } from './door/door.js';
import { DoorMetrics } from './door/door-metrics.js';

const processOptions = z.strictObject({
  /** Back side of the broker behind the door; or else the embedded broker serves. */
  url: z.string().optional(),
  /** Journal of the embedded broker; without it nothing is kept. */
  directory: z.string().optional(),
  certPath: z.string().optional(),
  keyPath: z.string().optional(),
  caPath: z.string().optional(),
});
export type EntranceProcessOptions = z.input<typeof processOptions>;

const revocation = z.strictObject({ revoke: deviceId });
const revoked = new Set<string>();

type Serve = (connection: Connection) => void;

async function openBroker({ url, directory }: EntranceProcessOptions): Promise<Serve> {
  if (url === undefined) {
    const broker = new EmbeddedBroker(directory === undefined ? {} : { directory });
    await broker.ready;
    return ({ socket, peer, remoteAddress }) => broker.accept(socket, peer, { network: networkOf(remoteAddress) });
  }
  const door = new Door({
    backSide: new BackSide({ kind: 'network', url }),
    access: new MqttAccess(),
    metrics: new DoorMetrics(new Registry()),
    log: openLog(),
    clock: new SystemClock(),
  });
  return (connection) => void door.serve(connection);
}

async function serve(message: unknown): Promise<{ port: number; listener: SecureListener }> {
  const { certPath, keyPath, caPath, ...behind } = processOptions.parse(message);
  const keys = { cert: 'mqtt.bind.cert_file', key: 'mqtt.bind.key_file', ca: 'mqtt.bind.ca_path' };
  const { settings: security } = await readSecurityFiles({ certPath, keyPath, caPath, keys });
  const stream = await openBroker(behind);
  const listener = new SecureListener({
    ...{ name: 'mqtt', host: '127.0.0.1', port: 0, security, limits: brokerLimits },
    admission: {
      admit: async ({ deviceId, kind }) =>
        revoked.has(deviceId)
          ? { outcome: 'refused', reason: 'device-revoked' }
          : { outcome: 'admitted', deviceId, kind },
    },
    events: { onRefusal: () => undefined, onWarning: (text) => console.error(text) },
    handler: { stream, refuseStream: answerRefused },
  });
  return { ...(await listener.listen()), listener };
}

process.once('message', (message) => {
  serve(message).then(
    ({ port, listener }) => {
      process.send?.({ port });
      process.on('message', (next) => revoke(listener, next));
    },
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.once('disconnect', () => process.exit(0));

function revoke(listener: SecureListener, message: unknown): void {
  revoked.add(revocation.parse(message).revoke);
  listener.refuseSessions(({ deviceId }) => (revoked.has(deviceId) ? 'device-revoked' : undefined));
}
