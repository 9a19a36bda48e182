import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { ConnectionOptions } from 'node:tls';
import { type RawMqttTarget, spawnMosquitto, temporaryDirectory } from '@sallyport/testkit';
import { serviceFlags } from '../process/shipped.js';
import type { LoadedServer } from './load.js';

/** A server under test. */
export interface MqttContestant extends LoadedServer, AsyncDisposable {
  readonly name: string;
}

/** A server that can revoke a device. */
export interface GuardedContestant extends MqttContestant {
  readonly revoke: (deviceId: string) => void;
}

/** A client certificate for each client of the load, and what a listener needs. */
export interface Credentials {
  readonly server: { readonly certPath: string; readonly keyPath: string; readonly caPath: string };
  readonly clientOf: (index: number) => ConnectionOptions;
}

/** A PUBLISH of this size fills a TLS record. So each message has its own, as every MQTT client sends it. */
export const recordBytes = 512;

// As in deploy/mosquitto: windows and queues so large that the load never fills them, and no delay for small packets.
const mosquittoConfig = ['max_inflight_messages 1000', 'max_queued_messages 100000', 'set_tcp_nodelay true'];

/** Mosquitto, keeping its state as it does by default: written every half hour, and at its end. */
export async function startMosquitto(): Promise<MqttContestant> {
  const directory = temporaryDirectory('sallyport-b-');
  const persistence = ['persistence true', `persistence_location ${directory.path}/`];
  const { port, pid, stop } = await spawnMosquitto({ config: [...mosquittoConfig, ...persistence] });
  return everywhere('Mosquitto', { port }, { pid, stop: () => stop().then(directory.remove) });
}

/** Mosquitto with a mutual TLS listener for devices, and a Unix socket for services. */
export async function startMutualMosquitto({ server, clientOf }: Credentials): Promise<MqttContestant> {
  const directory = temporaryDirectory('sallyport-b-');
  const socketPath = directory.file('back.sock');
  const config = [...mosquittoConfig, `listener 0 ${socketPath}`];
  const { port, pid, stop } = await spawnMosquitto({ tls: server, requireCertificate: true, config });
  return {
    name: 'Mosquitto',
    pids: [pid],
    publisherTarget: (index) => ({ port, tls: clientOf(index), recordBytes }),
    subscriberTarget: () => ({ socketPath }),
    [Symbol.asyncDispose]: () => stop().then(directory.remove),
  };
}

/** The same Mosquitto with the door in front of its Unix socket. */
export async function startDoor(credentials: Credentials, script: string): Promise<GuardedContestant> {
  const behind = await startMutualMosquitto(credentials);
  const { socketPath = '' } = behind.subscriberTarget(0);
  const door = await startEntrance(script, { url: `unix:${socketPath}`, ...credentials.server });
  return {
    name: 'door',
    pids: [...behind.pids, door.pid],
    revoke: door.revoke,
    publisherTarget: (index) => ({ port: door.port, tls: credentials.clientOf(index), recordBytes }),
    subscriberTarget: behind.subscriberTarget,
    [Symbol.asyncDispose]: async () => {
      await door.stop();
      await behind[Symbol.asyncDispose]();
    },
  };
}

/** The embedded broker behind a listener: plain, or with mutual TLS where there are credentials. */
export async function startEmbedded(script: string, credentials?: Credentials): Promise<GuardedContestant> {
  const directory = temporaryDirectory('sallyport-b-');
  const { pid, port, revoke, stop } = await startEntrance(script, {
    directory: directory.path,
    ...credentials?.server,
  });
  const target = (index: number): RawMqttTarget =>
    credentials === undefined ? { port, localAddress: addressOf(index) } : { port, tls: credentials.clientOf(index) };
  return {
    name: 'embedded',
    pids: [pid],
    revoke,
    publisherTarget: target,
    subscriberTarget: target,
    [Symbol.asyncDispose]: () => stop().then(directory.remove),
  };
}

/** A listener gives one address only so many connections. */
function addressOf(index: number): string {
  return `127.0.0.${2 + Math.floor(index / 500)}`;
}

async function startEntrance(script: string, options: object) {
  const child = fork(script, {
    execArgv: [...serviceFlags, ...profiling()],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  child.send(options);
  const [{ port }] = await once(child, 'message');
  const stop = async (): Promise<void> => {
    child.disconnect();
    await once(child, 'exit');
  };
  const revoke = (deviceId: string) => void child.send({ revoke: deviceId });
  return { port: Number(port), pid: child.pid ?? 0, revoke, stop };
}

/** Flags that write a CPU profile into this folder. For those who look for the time. */
function profiling(): string[] {
  const { SALLYPORT_PROFILE: folder } = process.env;
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}

function everywhere(
  name: string,
  target: RawMqttTarget,
  { pid, stop }: { readonly pid: number; readonly stop: () => Promise<void> },
): MqttContestant {
  const [publisherTarget, subscriberTarget] = [() => target, () => target];
  return { name, pids: [pid], publisherTarget, subscriberTarget, [Symbol.asyncDispose]: stop };
}
