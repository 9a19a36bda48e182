import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { publishPacket, RawMqtt, type RawMqttTarget, spawnMosquitto, temporaryDirectory } from '@sallyport/testkit';
import type { Credentials, MqttContestant } from '../mqtt/contestants.js';
import { serviceFlags } from '../process/shipped.js';
import { DelayProxy } from './delay-proxy.js';

/** The link between the two brokers. */
export interface Link {
  /** For mutual TLS; plain without. */
  readonly credentials?: Credentials & { readonly client: { readonly certPath: string; readonly keyPath: string } };
  /** One way, in milliseconds. */
  readonly delayMs: number;
  /** Messages that may be unacknowledged. */
  readonly window: number;
}

/** The broker in the cloud: the same Mosquitto for each contestant. */
interface Remote {
  readonly pid: number;
  /** Where bridges connect. */
  readonly port: number;
  readonly subscriberTarget: RawMqttTarget;
}

interface Local {
  readonly pids: readonly number[];
  readonly port: number;
}

function configOf(window: number): string[] {
  return [`max_inflight_messages ${window}`, 'max_queued_messages 200000', 'set_tcp_nodelay true'];
}

/** Mosquitto bridges by itself: its local broker opens the connection. */
export function mosquittoChain(link: Link): Promise<MqttContestant> {
  return chain('Mosquitto', link, async (remote, opened) => {
    const { pid, port } = opened.use(
      await spawnMosquitto({ config: [...configOf(link.window), ...bridgeConfig(link, remote)] }),
    );
    return { pids: [pid], port };
  });
}

/** The embedded broker and the bridge in one process. The broker has on disk what it acknowledges. */
export function oneProcessChain(link: Link, script: string): Promise<MqttContestant> {
  return chain('one process', link, async (remote, opened) => {
    const { path: directory } = opened.use(temporaryDirectory('sallyport-b-'));
    const { pid, port } = await startPlane(script, { local: { directory }, link, remote, opened });
    return { pids: [pid], port };
  });
}

/** The same without a journal: the broker has in memory what it acknowledges, as Mosquitto has. */
export function inMemoryChain(link: Link, script: string): Promise<MqttContestant> {
  return chain('in memory', link, async (remote, opened) => {
    const { pid, port } = await startPlane(script, { local: {}, link, remote, opened });
    return { pids: [pid], port };
  });
}

/** The bridge in a process of its own, beside a Mosquitto. */
export function ownProcessChain(link: Link, script: string): Promise<MqttContestant> {
  return chain('own process', link, async (remote, opened) => {
    const broker = opened.use(await spawnMosquitto({ config: configOf(link.window) }));
    const { pid, port } = await startPlane(script, { local: { port: broker.port }, link, remote, opened });
    return { pids: [broker.pid, pid], port };
  });
}

async function chain(
  name: string,
  link: Link,
  startLocal: (remote: Remote, opened: AsyncDisposableStack) => Promise<Local>,
): Promise<MqttContestant> {
  await using opened = new AsyncDisposableStack();
  const remote = await startRemote(link, opened);
  const { pids, port } = await startLocal(remote, opened);
  await untilForwarded({ port }, remote.subscriberTarget);
  const stack = opened.move();
  return {
    name,
    pids: [...pids, remote.pid],
    publisherTarget: () => ({ port }),
    subscriberTarget: () => remote.subscriberTarget,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function startRemote({ credentials, delayMs, window }: Link, opened: AsyncDisposableStack): Promise<Remote> {
  const folder = opened.use(temporaryDirectory('sallyport-b-'));
  const socketPath = folder.file('remote.sock');
  const tls = credentials === undefined ? {} : { tls: credentials.server, requireCertificate: true };
  const broker = opened.use(
    await spawnMosquitto({ ...tls, config: [...configOf(window), `listener 0 ${socketPath}`] }),
  );
  const port = delayMs === 0 ? broker.port : opened.use(await DelayProxy.open(broker.port, delayMs)).port;
  return { pid: broker.pid, port, subscriberTarget: { socketPath } };
}

function bridgeConfig({ credentials }: Link, { port }: Remote): string[] {
  const lines = [
    'connection remote',
    `address localhost:${port}`,
    'topic load/# out 1',
    ...['cleansession false', 'try_private false', 'notifications false', 'bridge_protocol_version mqttv311'],
    'restart_timeout 1',
  ];
  if (credentials === undefined) return lines;
  const { server, client } = credentials;
  const files = [`bridge_cafile ${server.caPath}`, `bridge_certfile ${client.certPath}`];
  return [...lines, ...files, `bridge_keyfile ${client.keyPath}`];
}

interface PlanePlace {
  readonly local: { readonly port: number } | { readonly directory?: string };
  readonly link: Link;
  readonly remote: Remote;
  readonly opened: AsyncDisposableStack;
}

async function startPlane(script: string, { local, link, remote, opened }: PlanePlace) {
  const { credentials, window } = link;
  const tls = credentials && filesOf(credentials);
  const child = fork(script, { execArgv: serviceFlags, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  opened.defer(async () => {
    child.disconnect();
    await once(child, 'exit');
  });
  child.send({ local, remotePort: remote.port, tls, windowMessages: window });
  const [{ port }] = await once(child, 'message');
  return { pid: child.pid ?? 0, port: Number(port) };
}

function filesOf({ client: { certPath, keyPath }, server: { caPath } }: Link['credentials'] & object) {
  return { certPath, keyPath, caPath };
}

/** Publishes until a message has crossed. */
async function untilForwarded(local: RawMqttTarget, remote: RawMqttTarget): Promise<void> {
  let hasCome = false;
  await using subscriber = await RawMqtt.open(remote, { clientId: 'ready' });
  subscriber.onMessage = () => {
    hasCome = true;
  };
  await subscriber.subscribe('load/ready', 0);
  await using publisher = await RawMqtt.open(local, { clientId: 'try' });
  for (let attempt = 0; !hasCome; attempt += 1) {
    if (attempt > 200) throw new Error('No message crossed the bridge within 20 s.');
    publisher.write([publishPacket({ topic: 'load/ready', payload: Buffer.from('x') })]);
    await sleep(100);
  }
}
