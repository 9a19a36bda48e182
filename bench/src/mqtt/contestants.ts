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
export async function startDoor(credentials: Credentials, script: string): Promise<MqttContestant> {
  const behind = await startMutualMosquitto(credentials);
  const { socketPath = '' } = behind.subscriberTarget(0);
  const door = fork(script, {
    execArgv: [...serviceFlags, ...profiling()],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  door.send({ url: `unix:${socketPath}`, ...credentials.server });
  const [{ port }] = await once(door, 'message');
  return {
    name: 'door',
    pids: [...behind.pids, door.pid ?? 0],
    publisherTarget: (index) => ({ port, tls: credentials.clientOf(index), recordBytes }),
    subscriberTarget: behind.subscriberTarget,
    [Symbol.asyncDispose]: async () => {
      door.disconnect();
      await once(door, 'exit');
      await behind[Symbol.asyncDispose]();
    },
  };
}

/** The embedded broker with a plain listener, in its own process. */
export async function startEmbedded(): Promise<MqttContestant> {
  const directory = temporaryDirectory('sallyport-b-');
  const [, script = ''] = process.argv;
  const child = fork(script, ['--serve', directory.path], {
    execArgv: [...serviceFlags, ...profiling()],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [{ port }] = await once(child, 'message');
  const stop = async () => {
    child.disconnect();
    await once(child, 'exit');
    await directory.remove();
  };
  return everywhere('embedded', { port }, { pid: child.pid ?? 0, stop });
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
