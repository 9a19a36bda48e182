import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { Module } from '@nestjs/common';
import type { ServiceName } from '@sallyport/protocol';
import { freePorts, mustRun, temporaryDirectory, waitFor } from '@sallyport/testkit';
import { Counter, Histogram } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { SystemClock } from '../clock.js';
import { openLog } from '../log.js';
import { RunningServices } from '../running-services.js';
import { startProcess } from '../start-process.js';

@Module({})
class EmptyModule {}

function notNeeded(): never {
  throw new Error('no service here needs a broker');
}

/** A process of two services with probes over TCP, as `standalone` starts it. */
async function startTwoServices(port: number, whileStarting: () => Promise<void> = async () => undefined) {
  const directory = temporaryDirectory();
  const log = openLog({ level: 'silent' });
  const env = { TEDGE_HEALTH_BIND_PORT: String(port) };
  const options = { configDir: directory.path, argv: [] };
  const start = startProcess({ env, cwd: directory.path, options, log }, async (process) => {
    const running = new RunningServices({ ...process, log, clock: new SystemClock(), connectionFor: notNeeded });
    process.opened({ name: 'services', stop: () => running.stop() });
    const serviceOf = (name: ServiceName) => ({ name, needs: {}, module: () => ({ module: EmptyModule }) });
    const { context: registry } = await running.start(serviceOf('device-registry'));
    await whileStarting();
    const { context: agent } = await running.start(serviceOf('agent'));
    return { registry, agent };
  });
  const { running, stop } = await start.catch(async (error: unknown) => {
    await directory.remove();
    throw error;
  });
  return { ...running, [Symbol.asyncDispose]: () => stop().then(() => directory.remove()) };
}

/** Status, headers and body, as curl shows them. */
async function curl(port: number, path: string, ...args: string[]): Promise<string> {
  const stdout = await mustRun('curl', ['-sS', '-i', ...args, `http://127.0.0.1:${port}${path}`]);
  return stdout.replaceAll('\r', '');
}

describe('probes over TCP', () => {
  it('say that the process is alive, and that it is ready when all of its services are', async () => {
    const [port = 0] = await freePorts(1);
    await using system = await startTwoServices(port);
    expect(await curl(port, '/healthz')).toMatch(/^HTTP\/1.1 200 OK\n.*\n\n\{"status":"alive"\}$/s);
    expect(await curl(port, '/readyz')).toMatch(/^HTTP\/1.1 200 OK\n.*\n\n\{"ready":true,"failing":\[\]\}$/s);
    system.agent.readiness.add('entrance http', () => 'is shut: /etc/tedge/secret.key cannot be read');
    system.registry.readiness.add('store', () => 'is away');
    const notReady = await curl(port, '/readyz');
    expect(notReady).toMatch(/^HTTP\/1.1 503 /);
    expect(notReady.split('\n\n')[1]).toBe(
      '{"ready":false,"failing":["device-registry: store","agent: entrance http"]}',
    );
  });

  it('say that a process that still starts is alive and not ready', async () => {
    const [port = 0] = await freePorts(1);
    const seen: string[] = [];
    await using _system = await startTwoServices(port, async () => {
      for (const path of ['/healthz', '/readyz']) seen.push((await curl(port, path)).split('\n\n')[1] ?? '');
    });
    expect(seen).toEqual(['{"status":"alive"}', '{"ready":false,"failing":["start"]}']);
  });

  it('are gone when the process has stopped', async () => {
    const [port = 0] = await freePorts(1);
    const system = await startTwoServices(port);
    await system[Symbol.asyncDispose]();
    await expect(curl(port, '/healthz')).rejects.toThrow('Failed to connect');
  });

  it('are off unless a port is set', async () => {
    const [port = 0] = await freePorts(1);
    const directory = temporaryDirectory();
    const given = { env: {}, cwd: directory.path, options: { configDir: directory.path, argv: [] } };
    const log = openLog({ level: 'silent' });
    const { stop } = await startProcess({ ...given, log }, async () => undefined);
    await expect(curl(port, '/healthz')).rejects.toThrow('Failed to connect');
    await stop();
    await directory.remove();
  });

  it('say who has the port when it is taken, and how to choose another', async () => {
    const [port = 0] = await freePorts(1);
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    await expect(startTwoServices(port)).rejects.toMatchObject({
      type: 'config-invalid',
      ports: [{ name: 'probes and metrics', portKey: 'health.bind.port', host: '127.0.0.1', port }],
    });
    other.close();
  });
});

describe('metrics over TCP', () => {
  it('are those of all services, each with the label of its service, and those of the process', async () => {
    const [port = 0] = await freePorts(1);
    await using system = await startTwoServices(port);
    for (const { metrics, name } of [system.registry, system.agent])
      new Counter({ name: 'sallyport_a_total', help: 'A', labelNames: ['path'], registers: [metrics] }).inc(
        { path: 'a"b\\' },
        name.length,
      );
    new Histogram({ name: 'sallyport_b_seconds', help: 'B', buckets: [1], registers: [system.agent.metrics] }).observe(
      2,
    );
    const [head, body] = (await curl(port, '/metrics')).split('\n\n', 2);
    const all = await curl(port, '/metrics');
    expect(head).toContain('Content-Type: text/plain; version=0.0.4; charset=utf-8');
    expect(body).toContain('sallyport_process_cpu_user_seconds_total');
    const lines = all.split('\n').filter((line) => /sallyport_[ab]_/.test(line));
    expect(lines).toEqual([
      '# HELP sallyport_a_total A',
      '# TYPE sallyport_a_total counter',
      String.raw`sallyport_a_total{path="a\"b\\",service="device-registry"} 15`,
      String.raw`sallyport_a_total{path="a\"b\\",service="agent"} 5`,
      '# HELP sallyport_b_seconds B',
      '# TYPE sallyport_b_seconds histogram',
      'sallyport_b_seconds_bucket{le="1",service="agent"} 0',
      'sallyport_b_seconds_bucket{le="+Inf",service="agent"} 1',
      'sallyport_b_seconds_sum{service="agent"} 2',
      'sallyport_b_seconds_count{service="agent"} 1',
    ]);
  });
});

describe('the port of probes and metrics', () => {
  it.each(['/', '/v1/entrance', '/openapi.json', '/healthz/', '//healthz', '/%68ealthz', '/toString'])(
    'does not serve %s',
    async (path) => {
      const [port = 0] = await freePorts(1);
      await using _system = await startTwoServices(port);
      expect(await curl(port, path)).toMatch(/^HTTP\/1.1 404 /);
    },
  );

  it.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('answers 405 to %s, and says what it serves', async (method) => {
    const [port = 0] = await freePorts(1);
    await using _system = await startTwoServices(port);
    const answer = await curl(port, '/metrics', '-X', method, '-d', 'x');
    expect(answer).toMatch(/^HTTP\/1.1 405 /);
    expect(answer).toContain('\nAllow: GET, HEAD\n');
  });

  it('answers HEAD with the header of GET alone', async () => {
    const [port = 0] = await freePorts(1);
    await using _system = await startTwoServices(port);
    expect(await curl(port, '/healthz', '-I')).toMatch(/^HTTP\/1.1 200 OK\n.*Content-Length: 18\n.*\n\n$/s);
  });

  it('refuses a header that is longer than any probe has', async () => {
    const [port = 0] = await freePorts(1);
    await using _system = await startTwoServices(port);
    expect(await curl(port, '/healthz', '-H', `a: ${'x'.repeat(5_000)}`)).toMatch(/^HTTP\/1.1 431 /);
  });

  it('holds 32 connections at most, ends those that send nothing, and still answers probes', async () => {
    const [port = 0] = await freePorts(1);
    await using _system = await startTwoServices(port);
    const ended = new Set<Socket>();
    const sockets = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const socket = connect(port, '127.0.0.1');
        socket.on('error', () => undefined).once('close', () => ended.add(socket));
        socket.resume();
        await once(socket, 'connect');
        return socket;
      }),
    );
    await waitFor(() => ended.size === 8);
    expect(await curl(port, '/healthz')).toMatch(/^HTTP\/1.1 200 /);
    await waitFor(() => ended.size === sockets.length, { deadlineMs: 15_000 });
    expect(await curl(port, '/healthz')).toMatch(/^HTTP\/1.1 200 /);
  }, 20_000);
});
