import { once } from 'node:events';
import { existsSync, linkSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Body, Controller, Get, Module, Post } from '@nestjs/common';
import { Problem } from '@sallyport/protocol';
import { Counter } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ServiceHost } from './service-host.js';
import { closeTestContext, openTestContext, type TestContext } from './testing.js';

@Controller('v1')
class ExampleController {
  @Get('problem')
  problem(): never {
    throw new Problem('conflict', 'Device child01 exists.', { retryAfterSeconds: 7 });
  }

  @Get('fault')
  fault(): never {
    throw new Error('disk path /secret/path');
  }

  @Post('name')
  name(@Body() body: unknown): { name: string } {
    return z.strictObject({ name: z.string() }).parse(body);
  }
}

@Module({})
class ExampleModule {}

const example = {
  name: 'agent' as const,
  needs: {},
  module: () => ({ module: ExampleModule, controllers: [ExampleController] }),
};

describe('the admin API of a service', () => {
  let directory: string;
  let context: TestContext;
  let host: ServiceHost;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sp-rt-'));
    context = await openTestContext(directory);
    host = await ServiceHost.start(example, context);
  });

  afterEach(async () => {
    await host.stop();
    await closeTestContext(context);
    await rm(directory, { recursive: true });
  });

  const socketPath = () => join(directory, 'run', 'sallyport', 'agent.sock');
  const call = (path: string, body?: string) => callSocket(socketPath(), path, body);

  it('is a Unix socket for its owner alone, in a private directory', () => {
    expect(statSync(socketPath()).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory, 'run', 'sallyport')).mode & 0o777).toBe(0o700);
  });

  it('answers that the process lives', async () => {
    expect(await call('/healthz')).toMatchObject({ status: 200, body: '{"status":"alive"}' });
  });

  it('is ready while its dependencies work, and names the one that does not', async () => {
    expect((await call('/readyz')).status).toBe(200);
    context.readiness.add('example', () => 'is on fire');
    expect(await call('/readyz')).toMatchObject({
      status: 503,
      body: '{"ready":false,"faults":{"example":"is on fire"}}',
    });
  });

  it('shows the metrics of the service and of the process', async () => {
    new Counter({ name: 'sallyport_example_total', help: 'example', registers: [context.metrics] }).inc(3);
    const { body } = await call('/metrics');
    expect(body).toContain('sallyport_example_total 3');
    expect(body).toContain('process_cpu_seconds_total');
  });

  it('shows no metric whose name another program may have', async () => {
    const { body } = await call('/metrics');
    const names = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(names).toContain('sallyport_nodejs_eventloop_lag_seconds');
    expect(names.filter((name) => !name?.startsWith('sallyport_'))).toEqual([]);
  });

  it('answers a problem as RFC 9457 says', async () => {
    const { status, body, headers } = await call('/v1/problem');
    expect(status).toBe(409);
    expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
    expect(headers['retry-after']).toBe('7');
    expect(JSON.parse(body)).toEqual({
      type: 'urn:sallyport:problem:conflict',
      title: 'The request conflicts with the present state',
      status: 409,
      detail: 'Device child01 exists.',
    });
  });

  it('tells a caller nothing about a fault inside but where to look', async () => {
    const { status, body } = await call('/v1/fault');
    expect(status).toBe(500);
    expect(body).not.toContain('/secret/path');
    expect(body).toMatch(/correlation id [0-9a-f-]{36}/);
  });

  it('says which part of a body is wrong', async () => {
    const { status, body } = await call('/v1/name', '{"name":1}');
    expect(status).toBe(400);
    expect(JSON.parse(body).detail).toContain('name: ');
  });

  it('answers a route it does not have as a problem', async () => {
    expect(await call('/v1/nothing')).toMatchObject({ status: 404 });
  });

  it('refuses to start twice on one run directory, and the first goes on', async () => {
    await expect(ServiceHost.start(example, context)).rejects.toThrow('Another agent already runs');
    expect((await call('/healthz')).status).toBe(200);
  });

  it('starts once, when it is started twice at the same moment', async () => {
    await host.stop();
    const starts = await Promise.allSettled([ServiceHost.start(example, context), ServiceHost.start(example, context)]);
    const [started, refused] = ['fulfilled', 'rejected'].map((status) =>
      starts.filter((start) => start.status === status),
    );
    expect(refused).toMatchObject([{ reason: { type: 'conflict', message: expect.stringContaining('already runs') } }]);
    expect(started).toHaveLength(1);
    expect((await call('/healthz')).status).toBe(200);
    for (const start of starts) if (start.status === 'fulfilled') host = start.value;
  });

  it('starts over a socket that a crash left behind', async () => {
    await host.stop();
    expect(existsSync(socketPath())).toBe(false);
    const dead = createServer().listen(join(directory, 'dead.sock'));
    await once(dead, 'listening');
    // A server that closes takes its socket along; a second name of it stays, as the socket of a killed process does.
    linkSync(join(directory, 'dead.sock'), socketPath());
    dead.close();
    expect(existsSync(socketPath())).toBe(true);
    host = await ServiceHost.start(example, context);
    expect((await call('/healthz')).status).toBe(200);
  });
});

describe('a service that cannot open its second door', () => {
  it('closes the first again and reports what the matter was', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sp-rt-'));
    const context = await openTestContext(directory);
    const events: string[] = [];
    const doors = {
      onModuleInit: () => void events.push('first door opened'),
      onApplicationBootstrap: () => Promise.reject(new Problem('config-invalid', 'Port 8000 is taken.')),
      beforeApplicationShutdown: () => void events.push('first door closed'),
    };
    const module = () => ({ module: ExampleModule, providers: [{ provide: 'doors', useValue: doors }] });
    await expect(ServiceHost.start({ name: 'agent', needs: {}, module }, context)).rejects.toThrow(
      'Port 8000 is taken.',
    );
    expect(events).toEqual(['first door opened', 'first door closed']);
    expect(existsSync(join(directory, 'run', 'sallyport', 'agent.sock'))).toBe(false);
    await closeTestContext(context);
    await rm(directory, { recursive: true });
  });
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

function callSocket(socketPath: string, path: string, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const outgoing = request({ socketPath, path, method: body === undefined ? 'GET' : 'POST', headers }, (response) => {
      text(response).then(
        (received) => resolve({ status: response.statusCode, headers: response.headers, body: received }),
        reject,
      );
    });
    outgoing.once('error', reject);
    outgoing.end(body);
  });
}
