import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get as httpGet, type IncomingMessage, type ServerResponse } from 'node:http';
import { get as httpsGet } from 'node:https';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { mqttRpcServer, publishEvent, RpcHandler } from '@sallyport/mqtt';
import { type AdmissionRequest, admitPeer, deviceChanged, deviceId } from '@sallyport/protocol';
import { closeTestContext, openTestContext, type TestContext } from '@sallyport/runtime/testing';
import { freePorts, type TemporaryDirectory, TestCa, temporaryDirectory } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EntranceController } from './entrance.controller.js';
import { Entrances } from './entrances.js';
import { configuredSource } from './security-source.js';

@Controller()
class ObligingRegistry {
  @RpcHandler(admitPeer)
  admit({ deviceId: id, kind }: AdmissionRequest) {
    return { outcome: 'admitted' as const, deviceId: id, kind };
  }
}

@Module({ controllers: [ObligingRegistry] })
class ObligingRegistryModule {}

describe('an entrance whose address changes', () => {
  let directory: TemporaryDirectory;
  let context: TestContext;
  let entrances: Entrances;
  let registry: INestMicroservice | undefined;
  let ports: { old: number; new: number };
  /** Requests that are answered when a test says so. */
  let waiting: ServerResponse[];

  beforeEach(async () => {
    directory = temporaryDirectory();
    const [one = 0, other = 0] = await freePorts(2);
    ports = { old: one, new: other };
    waiting = [];
    context = await openTestContext(directory.path);
    entrances = new Entrances(context);
    await entrances.onModuleInit();
  });

  afterEach(async () => {
    await entrances.beforeApplicationShutdown();
    await registry?.close();
    registry = undefined;
    await closeTestContext(context);
    await directory.remove();
  });

  const configure = (keys: Readonly<Record<string, string | number>>) => {
    const lines = Object.entries(keys).map(([key, value]) => `http.${key} = ${JSON.stringify(value)}`);
    return writeFile(directory.file('tedge.toml'), [...lines, ''].join('\n'));
  };

  async function openAtOldPort(more: Readonly<Record<string, string>> = {}): Promise<void> {
    await configure({ 'bind.port': ports.old, ...more });
    await context.reloadSettings();
    await entrances.open({
      name: 'greetings',
      source: configuredSource(context, { group: 'http' }),
      handler: { http: (request, response) => serve(request, response) },
      limits: { drainMs: 60_000 },
    });
  }

  function serve({ url }: IncomingMessage, response: ServerResponse): void {
    if (url === '/slow') waiting.push(response.writeHead(200));
    else response.end('hello');
  }

  const ask = async (port: number, path = '/') => {
    const [response] = await once(httpGet({ port, path, agent: false }), 'response');
    return text(response);
  };

  it('is at the new one after a reload, and no longer at the old one', async () => {
    await openAtOldPort();
    await configure({ 'bind.port': ports.new });
    expect(await entrances.reload()).toMatchObject([{ port: ports.new, isOpen: true }]);
    expect(await ask(ports.new)).toBe('hello');
    await expect(ask(ports.old)).rejects.toThrow('ECONNREFUSED');
  });

  it('lets a request that is under way at the old one finish', async () => {
    await openAtOldPort();
    const outgoing = httpGet({ port: ports.old, path: '/slow', agent: false });
    await once(outgoing, 'socket');
    while (waiting.length === 0) await ask(ports.old);
    await configure({ 'bind.port': ports.new });
    await entrances.reload();
    for (const response of waiting) response.end('late');
    const [response] = await once(outgoing, 'response');
    expect(await text(response)).toBe('late');
  });

  it('stays where it is when the new one is taken, and says so', async () => {
    await openAtOldPort();
    const other = createServer().listen(ports.new, '127.0.0.1');
    await once(other, 'listening');
    await configure({ 'bind.port': ports.new });
    await expect(entrances.reload()).rejects.toMatchObject({
      type: 'config-invalid',
      message: expect.stringMatching(
        new RegExp(
          `cannot use 127.0.0.1 port ${ports.new}.* Until then it stays at 127.0.0.1 port ${ports.old}\\.$`,
          's',
        ),
      ),
    });
    expect(await ask(ports.old)).toBe('hello');
    other.close();
    expect(await entrances.reload()).toMatchObject([{ port: ports.new }]);
  });

  it('opens to all networks on the port it has, and closes to them again', async () => {
    await openAtOldPort();
    await configure({ 'bind.port': ports.old, 'bind.address': '0.0.0.0' });
    expect(await entrances.reload()).toMatchObject([{ host: '0.0.0.0', port: ports.old }]);
    expect(await ask(ports.old)).toBe('hello');
    await configure({ 'bind.port': ports.old, 'bind.address': '127.0.0.1' });
    expect(await entrances.reload()).toMatchObject([{ host: '127.0.0.1', port: ports.old }]);
    expect(await ask(ports.old)).toBe('hello');
  });

  it('is open where it was when it cannot open to all networks', async () => {
    await openAtOldPort();
    const other = createServer().listen(ports.old, '127.0.0.2');
    await once(other, 'listening');
    await configure({ 'bind.port': ports.old, 'bind.address': '0.0.0.0' });
    await expect(entrances.reload()).rejects.toThrow(`Until then it stays at 127.0.0.1 port ${ports.old}.`);
    expect(await ask(ports.old)).toBe('hello');
    other.close();
  });

  it('is told by its settings apart from those that need a restart', async () => {
    await openAtOldPort();
    expect(context.settings.require('http.storage_entries')).toBe(100_000);
    await configure({ 'bind.port': ports.new, storage_entries: 7, storage_share: 9 });
    const answer = await new EntranceController(entrances).reload({});
    expect(answer).toMatchObject({ entrances: [{ port: ports.new }], restartNeededFor: ['http.storage_entries'] });
    await configure({ 'bind.port': ports.new });
    expect(await new EntranceController(entrances).reload({})).not.toHaveProperty('restartNeededFor');
  });

  it('cuts a revoked device also from the requests it still has at the old one', async () => {
    await using ca = await TestCa.create();
    const server = await ca.issue({ commonName: 'agent', subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'] });
    const child = await ca.issue({ commonName: 'child01' });
    const strategy = mqttRpcServer(context.mqttConnection);
    registry = await NestFactory.createMicroservice(ObligingRegistryModule, { strategy, logger: false });
    await registry.listen();
    const mutual = { cert_path: server.certPath, key_path: server.keyPath, ca_path: ca.certPath };
    await openAtOldPort(mutual);
    const identity = { ca: ca.certPem, cert: child.certPem, key: child.keyPem };
    const outgoing = httpsGet({ host: 'localhost', port: ports.old, path: '/slow', agent: false, ...identity });
    const ended = once(outgoing, 'error');
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await configure({ 'bind.port': ports.new, ...mutual });
    await entrances.reload();
    await publishEvent(context.mqtt, deviceChanged, {
      deviceId: deviceId.parse('child01'),
      state: 'revoked',
      fingerprints: [],
      changedAt: new Date().toISOString(),
    });
    expect(await ended).toMatchObject([{ message: expect.stringMatching(/socket hang up|ECONNRESET/) }]);
  });
});
