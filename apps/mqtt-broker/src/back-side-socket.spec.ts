import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { EmbeddedBroker } from '@sallyport/embedded-broker';
import { connectMqtt, type Mqtt } from '@sallyport/mqtt';
import { RawMqtt, runProgram, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { BackSideSocket } from './back-side-socket.js';

interface Site extends AsyncDisposable {
  readonly path: string;
  readonly broker: EmbeddedBroker;
  readonly warnings: string[];
  open(): Promise<BackSideSocket>;
  /** A session of a service of another process; replicas of one have other client ids. */
  connect(userName: string, clientId?: string): Promise<Mqtt>;
}

async function makeSite(): Promise<Site> {
  const directory = temporaryDirectory();
  const path = directory.file('broker.sock');
  const warnings: string[] = [];
  const onWarning = (text: string, { error }: Readonly<Record<string, unknown>>) =>
    void warnings.push(error instanceof Error ? error.message : text);
  const broker = new EmbeddedBroker({ onWarning: () => undefined });
  await broker.ready;
  const opened: BackSideSocket[] = [];
  const sessions: Mqtt[] = [];
  return {
    path,
    broker,
    warnings,
    open: async () => {
      const socket = await BackSideSocket.open(path, { broker, onWarning });
      opened.push(socket);
      return socket;
    },
    connect: async (username, clientId = username) => {
      const credentials = async () => ({ username });
      const connection = { kind: 'network', url: `unix:${path}`, clientId, credentials } as const;
      const mqtt = await connectMqtt(connection, { onFault: () => undefined });
      sessions.push(mqtt);
      return mqtt;
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(sessions.map((session) => session.close()));
      await Promise.all(opened.map((socket) => socket.close()));
      await broker.close();
      await directory.remove();
    },
  };
}

describe('the back side of the embedded broker', () => {
  it('can be opened by its own user only', async () => {
    await using site = await makeSite();
    await site.open();
    expect(statSync(site.path).mode & 0o777).toBe(0o600);
  });

  it('gives a service the rights of its name', async () => {
    await using site = await makeSite();
    await site.open();
    const received: string[] = [];
    const registry = await site.connect('service/device-registry');
    await registry.subscribe('sallyport/v1/rpc/device-registry/#', (topic) => void received.push(topic));
    const agent = await site.connect('service/agent');
    await agent.publish('sallyport/v1/rpc/device-registry/ask', '{}');
    await waitFor(() => received.length === 1);
    await expect(agent.subscribe('sallyport/v1/rpc/device-registry/#', () => undefined)).rejects.toThrow('refuses');
  });

  it('gives each request to one replica of a service', async () => {
    await using site = await makeSite();
    await site.open();
    const received: string[] = [];
    for (const replica of ['first', 'second']) {
      const registry = await site.connect('service/device-registry', replica);
      await registry.subscribe(
        '$share/device-registry/sallyport/v1/rpc/device-registry/#',
        (_topic, payload) => void received.push(`${payload}`),
      );
    }
    const agent = await site.connect('service/agent');
    const requests = Array.from({ length: 10 }, (_, index) => `${index}`);
    for (const request of requests) await agent.publish('sallyport/v1/rpc/device-registry/ask', request);
    const last = await site.connect('service/device-registry', 'last');
    await last.subscribe('sallyport/v1/rpc/device-registry/#', (_topic, payload) => void received.push(`${payload}`));
    await agent.publish('sallyport/v1/rpc/device-registry/ask', 'last');
    await waitFor(() => received.filter((request) => request === 'last').length === 2);
    expect(received.filter((request) => request !== 'last').toSorted()).toEqual(requests);
  });

  it('refuses everybody who names no service', async () => {
    await using site = await makeSite();
    await site.open();
    await expect(RawMqtt.open({ socketPath: site.path }, { clientId: 'stranger' })).rejects.toThrow();
    expect(site.warnings).toEqual(['The user name "" names no service. Only services may connect here.']);
    expect(site.broker.clients).toBe(0);
  });

  it('takes the place of a socket that a crash has left', async () => {
    await using site = await makeSite();
    const script = `require('net').createServer().listen(${JSON.stringify(site.path)}, () => process.kill(process.pid, 9))`;
    await runProgram(process.execPath, ['-e', script]);
    expect(statSync(site.path).isSocket()).toBe(true);
    await site.open();
    expect((await site.connect('service/agent')).isConnected).toBe(true);
  });

  it('leaves the socket to a process that still serves on it', async () => {
    await using site = await makeSite();
    await site.open();
    await expect(site.open()).rejects.toThrow('Another process serves on mqtt.broker.socket');
    expect((await site.connect('service/agent')).isConnected).toBe(true);
  });

  it('never removes a file that is no socket', async () => {
    await using site = await makeSite();
    writeFileSync(site.path, 'precious');
    await expect(site.open()).rejects.toThrow('names a file that is no socket');
    expect(statSync(site.path).size).toBe(8);
  });

  it('leaves nothing behind', async () => {
    await using site = await makeSite();
    const socket = await site.open();
    await socket.close();
    expect(readdirSync(dirname(site.path))).toEqual([]);
  });

  it('says that its folder is missing', async () => {
    await using site = await makeSite();
    const { broker } = site;
    const opening = BackSideSocket.open(`${site.path}/no/broker.sock`, { broker, onWarning: () => undefined });
    await expect(opening).rejects.toThrow('Cannot listen on mqtt.broker.socket');
  });
});
