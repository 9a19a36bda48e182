import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { answerRefused } from '@sallyport/mqtt-wire';
import { MqttAccess, type RefusalReason, type SecurityLevel } from '@sallyport/protocol';
import { type BrokerPlace, openLog, SystemClock } from '@sallyport/runtime';
import {
  type Daemon,
  type ProgramResult,
  runProgram,
  spawnMosquitto,
  TestCa,
  type TestCertificate,
  temporaryDirectory,
  waitFor,
} from '@sallyport/testkit';
import { type Limits, readSecurityFiles, SecureListener } from '@sallyport/tls';
import { Registry } from 'prom-client';
import { BackSide } from './back-side.js';
import { Door } from './door.js';
import { DoorMetrics } from './door-metrics.js';

export interface DoorSiteOptions {
  readonly level: SecurityLevel;
  /** More lines for Mosquitto. */
  readonly config?: readonly string[];
  /** Lines of its access rules. */
  readonly acl?: readonly string[];
  /** Default: a Mosquitto on a Unix socket. */
  readonly place?: BrokerPlace;
  readonly connectMs?: number;
  readonly greetingMs?: number;
  readonly waitsForSave?: boolean;
  readonly limits?: Partial<Limits>;
}

/** A door with a real listener, in front of a real Mosquitto. Devices named `revoked` are refused. */
export interface DoorSite extends AsyncDisposable {
  readonly door: Door;
  readonly listener: SecureListener;
  readonly port: number;
  /** Back side of the broker. */
  readonly socketPath: string;
  readonly refusals: RefusalReason[];
  readonly log: string[];
  /** The broker behind the door; stop it, kill it, and start it again. */
  readonly mosquitto: Daemon;
  restartMosquitto(): Promise<void>;
  device(commonName: string): Promise<TestCertificate>;
  /** What a TLS client of this device uses. */
  tls(commonName: string): Promise<ConnectionOptions>;
  publish(...args: string[]): Promise<ProgramResult>;
  subscribe(...args: string[]): Promise<ProgramResult>;
  /** Publishes at the back side, as a service does. */
  publishBehind(...args: string[]): Promise<ProgramResult>;
  /** Options of the programs for this device. */
  as(commonName: string): Promise<string[]>;
}

const keys = { cert: 'mqtt.bind.cert_file', key: 'mqtt.bind.key_file', ca: 'mqtt.bind.ca_path' };

export async function openDoorSite(options: DoorSiteOptions): Promise<DoorSite> {
  const { level } = options;
  const ca = await TestCa.create();
  const directory = temporaryDirectory();
  const socket = directory.file('broker.sock');
  const acl = directory.file('rules.acl');
  if (options.acl !== undefined) await writeFile(acl, options.acl.join('\n'));
  const rules = options.acl === undefined ? [] : [`acl_file ${acl}`];
  const start = async () => {
    const started = await spawnMosquitto({ config: [...rules, ...(options.config ?? []), `listener 0 ${socket}`] });
    // It opens the socket after the port whose answer we have waited for.
    await waitFor(() => accepts(socket));
    return started;
  };
  let mosquitto = await start();
  const refusals: RefusalReason[] = [];
  const log: string[] = [];
  const door = new Door({
    ...options,
    backSide: new BackSide(options.place ?? { kind: 'network', url: `unix:${socket}` }),
    access: new MqttAccess(),
    metrics: new DoorMetrics(new Registry()),
    log: openLog({ destination: { write: (line: string) => void log.push(line) } }),
    clock: new SystemClock(),
  });
  const listener = new SecureListener({
    name: 'mqtt',
    host: '127.0.0.1',
    port: 0,
    security: await securityOf(level, ca, directory),
    admission: {
      admit: async ({ deviceId, kind }) =>
        deviceId === 'revoked'
          ? { outcome: 'refused', reason: 'device-revoked' }
          : { outcome: 'admitted', deviceId, kind },
    },
    events: { onRefusal: ({ reason }) => void refusals.push(reason), onWarning: () => undefined },
    handler: { stream: (connection) => void door.serve(connection), refuseStream: answerRefused },
    limits: options.limits ?? {},
  });
  const { port } = await listener.listen();
  const trust = level === 'plain' ? [] : ['--cafile', ca.certPath];
  const front = ['-h', 'localhost', '-p', String(port), ...trust];
  const issue = (commonName: string) => ca.issue({ commonName, extendedKeyUsage: 'clientAuth' });
  return {
    door,
    listener,
    port,
    socketPath: socket,
    refusals,
    log,
    get mosquitto() {
      return mosquitto;
    },
    restartMosquitto: async () => {
      mosquitto = await start();
    },
    device: issue,
    tls: async (commonName) => {
      const { certPem: cert, keyPem: key } = await issue(commonName);
      return { ca: ca.certPem, servername: 'localhost', cert, key };
    },
    as: async (commonName) => {
      const { certPath, keyPath } = await issue(commonName);
      return ['--cert', certPath, '--key', keyPath];
    },
    publish: (...args) => runProgram('mosquitto_pub', [...front, ...args]),
    subscribe: (...args) => runProgram('mosquitto_sub', [...front, '-W', '5', ...args]),
    publishBehind: (...args) => runProgram('mosquitto_pub', ['--unix', socket, ...args]),
    [Symbol.asyncDispose]: async () => {
      await listener.close({ drainMs: 0 });
      await mosquitto.stop();
      await directory.remove();
      await ca[Symbol.asyncDispose]();
    },
  };
}

function accepts(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function securityOf(level: SecurityLevel, ca: TestCa, directory: { file(...names: string[]): string }) {
  if (level === 'plain') return { clientCertificate: 'none' } as const;
  await mkdir(directory.file('ca'));
  await copyFile(ca.certPath, directory.file('ca', 'root.pem'));
  const { certPath, keyPath } = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
  const caPath = level === 'mutual' ? directory.file('ca') : undefined;
  return (await readSecurityFiles({ certPath, keyPath, caPath, keys })).settings;
}
