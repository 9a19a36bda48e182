import {
  type CanActivate,
  Controller,
  type DynamicModule,
  type INestMicroservice,
  Inject,
  Injectable,
  Module,
  UseGuards,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { defineRpc, Problem } from '@sallyport/protocol';
import { spawnMosquitto, waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { connectMqtt } from './connect.js';
import type { MqttConnection } from './port.js';
import { connectRpcClient, type RpcClient } from './rpc-client.js';
import { RpcHandler } from './rpc-handler.js';
import { mqttRpcServer, type RpcServerOptions } from './rpc-server.js';

const greet = defineRpc({
  pattern: 'sallyport/v1/rpc/test/greet',
  request: z.strictObject({ name: z.string().min(1) }),
  response: z.strictObject({ greeting: z.string(), by: z.string() }),
});
const misbehave = defineRpc({
  pattern: 'sallyport/v1/rpc/test/misbehave',
  request: z.strictObject({ how: z.enum(['problem', 'fault', 'nonsense']) }),
  response: z.strictObject({ fine: z.boolean() }),
});
const wait = defineRpc({
  pattern: 'sallyport/v1/rpc/test/wait',
  request: z.strictObject({}),
  response: z.strictObject({ waited: z.boolean() }),
});
const guarded = defineRpc({ ...wait, pattern: 'sallyport/v1/rpc/test/guarded' });
const unanswered = defineRpc({ ...wait, pattern: 'sallyport/v1/rpc/test/unanswered' });

/** What a test sees and steers of its service. */
class Desk {
  readonly greeted: string[] = [];
  waiting = 0;
  mostWaiting = 0;
  release: () => void = () => undefined;
  readonly released = new Promise<void>((resolve) => {
    this.release = resolve;
  });

  constructor(readonly name: string) {}
}

@Injectable()
class NobodyPasses implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

@Controller()
class GreetingController {
  constructor(@Inject(Desk) private readonly desk: Desk) {}

  @RpcHandler(greet)
  greet({ name }: z.output<typeof greet.request>): z.input<typeof greet.response> {
    this.desk.greeted.push(name);
    return { greeting: `Hello ${name}`, by: this.desk.name };
  }

  @RpcHandler(misbehave)
  async misbehave({ how }: z.output<typeof misbehave.request>): Promise<z.input<typeof misbehave.response>> {
    const extensions = { limit: 5 };
    if (how === 'problem') throw new Problem('rate-limited', 'Slow down.', { retryAfterSeconds: 7, extensions });
    if (how === 'fault') throw new Error('password is hunter2');
    return JSON.parse('{"fine":"yes"}');
  }

  @RpcHandler(wait)
  async wait(): Promise<z.input<typeof wait.response>> {
    this.desk.waiting++;
    this.desk.mostWaiting = Math.max(this.desk.mostWaiting, this.desk.waiting);
    await this.desk.released;
    this.desk.waiting--;
    return { waited: true };
  }

  @RpcHandler(guarded)
  @UseGuards(NobodyPasses)
  guarded(): z.input<typeof guarded.response> {
    return { waited: false };
  }
}

@Module({})
class GreetingModule {
  static for(desk: Desk): DynamicModule {
    return {
      module: GreetingModule,
      controllers: [GreetingController],
      providers: [{ provide: Desk, useValue: desk }],
    };
  }
}

async function startService(
  connection: MqttConnection,
  desk = new Desk('desk'),
  options: RpcServerOptions = {},
): Promise<INestMicroservice> {
  const strategy = mqttRpcServer(connection, options);
  const service = await NestFactory.createMicroservice(GreetingModule.for(desk), { strategy, logger: false });
  await service.listen();
  return service;
}

interface Site extends AsyncDisposable {
  readonly desk: Desk;
  readonly connection: MqttConnection;
  readonly broker: Awaited<ReturnType<typeof spawnMosquitto>>;
  readonly service: INestMicroservice;
  readonly client: RpcClient & { close(): Promise<void> };
}

/** A broker, a Nest service and a client. */
async function openSite(options: RpcServerOptions = {}): Promise<Site> {
  const broker = await spawnMosquitto();
  const connection: MqttConnection = { kind: 'network', url: broker.url, clientId: 'test' };
  const desk = new Desk('desk');
  const service = await startService(connection, desk, options);
  const client = await connectRpcClient(connection, { onFault: () => undefined });
  const dispose = async (): Promise<void> => {
    desk.release();
    await client.close();
    await service.close();
    await broker.stop();
  };
  return { desk, connection, broker, service, client, [Symbol.asyncDispose]: dispose };
}

describe('RPC between services', () => {
  it('answers a call', async () => {
    await using site = await openSite();
    const response = await site.client.call(greet, { name: 'child01' });
    expect(response).toEqual({ greeting: 'Hello child01', by: 'desk' });
  });

  it('pairs each of many answers with its call', async () => {
    await using site = await openSite();
    const names = Array.from({ length: 200 }, (_, index) => `device-${index}`);
    const responses = await Promise.all(names.map((name) => site.client.call(greet, { name })));
    expect(responses.map(({ greeting }) => greeting)).toEqual(names.map((name) => `Hello ${name}`));
  });

  it('brings a problem across with its type, advice and values', async () => {
    await using site = await openSite();
    await expect(site.client.call(misbehave, { how: 'problem' })).rejects.toMatchObject({
      name: 'Problem',
      type: 'rate-limited',
      message: 'Slow down.',
      retryAfterSeconds: 7,
      extensions: { limit: 5 },
    });
  });

  it('tells a caller nothing of a fault inside the service', async () => {
    await using site = await openSite();
    await expect(site.client.call(misbehave, { how: 'fault' })).rejects.toMatchObject({
      type: 'internal',
      message: 'The service that was asked failed inside; see its log.',
    });
  });

  it('lets no response out that breaks the contract', async () => {
    await using site = await openSite();
    await expect(site.client.call(misbehave, { how: 'nonsense' })).rejects.toMatchObject({ type: 'internal' });
  });

  it('refuses a request that breaks the contract before it is sent', async () => {
    await using site = await openSite();
    await expect(site.client.call(greet, { name: '' })).rejects.toMatchObject({ type: 'invalid-request' });
    expect(site.desk.greeted).toEqual([]);
  });

  it('refuses a request that breaks the contract of the service', async () => {
    await using site = await openSite();
    const loose = defineRpc({ ...greet, request: z.looseObject({}) });
    await expect(site.client.call(loose, { name: 'x', admin: true })).rejects.toMatchObject({
      type: 'invalid-request',
      message: 'The request to sallyport/v1/rpc/test/greet breaks its contract: request: Unrecognized key: "admin".',
    });
  });

  it('keeps the guards of a handler', async () => {
    await using site = await openSite();
    await expect(site.client.call(guarded, {})).rejects.toMatchObject({ type: 'internal' });
  });
});

describe('RPC deadlines', () => {
  it('gives up when no service answers', async () => {
    await using site = await openSite();
    await expect(site.client.call(unanswered, {}, { deadlineMs: 40 })).rejects.toMatchObject({
      type: 'unavailable',
      message: 'No answer from sallyport/v1/rpc/test/unanswered within 40 ms. Is its service running?',
    });
  });

  it('gives up when the caller loses interest', async () => {
    await using site = await openSite();
    const interest = new AbortController();
    const call = site.client.call(wait, {}, { signal: interest.signal });
    await waitFor(() => site.desk.waiting === 1);
    interest.abort();
    await expect(call).rejects.toMatchObject({ type: 'unavailable', message: 'The call was aborted.' });
  });

  it('ends pending calls when the client closes', async () => {
    await using site = await openSite();
    const call = site.client.call(wait, {});
    const outcome = expect(call).rejects.toMatchObject({ type: 'unavailable', message: 'The service is stopping.' });
    await waitFor(() => site.desk.waiting === 1);
    await site.client.close();
    await outcome;
  });

  it('ends pending calls when the connection breaks, and works again when it is back', async () => {
    await using site = await openSite();
    const call = site.client.call(wait, {}, { deadlineMs: 60_000 });
    const outcome = expect(call).rejects.toMatchObject({
      type: 'unavailable',
      message: 'The connection to the MQTT broker was lost during the call.',
    });
    await waitFor(() => site.desk.waiting === 1);
    await site.broker.kill();
    await outcome;
    site.desk.release();
    await using _again = await spawnMosquitto({ port: site.broker.port });
    const name = 'again';
    const response = await waitFor(() => site.client.call(greet, { name }, { deadlineMs: 500 }));
    expect(response.greeting).toBe('Hello again');
  });
});

describe('RPC server', () => {
  it('handles at most so many requests at once', async () => {
    await using site = await openSite({ parallel: 2 });
    const calls = [1, 2, 3, 4, 5].map(() => site.client.call(wait, {}));
    await waitFor(() => site.desk.waiting === 2);
    site.desk.release();
    await Promise.all(calls);
    expect(site.desk.mostWaiting).toBe(2);
  });

  it('refuses what it can neither handle nor let wait', async () => {
    await using site = await openSite({ parallel: 1 });
    const calls = Array.from({ length: 20 }, () => site.client.call(wait, {}));
    const refused = calls.map((call) =>
      call.then(
        () => 'answered',
        ({ type }) => String(type),
      ),
    );
    await waitFor(() => site.desk.waiting === 1);
    await Promise.race(refused);
    site.desk.release();
    const outcomes = await Promise.all(refused);
    expect(outcomes.filter((outcome) => outcome === 'unavailable')).toHaveLength(3);
    expect(outcomes.filter((outcome) => outcome === 'answered')).toHaveLength(17);
  });

  it('finishes what is under way before it closes', async () => {
    await using site = await openSite();
    const call = site.client.call(wait, {});
    await waitFor(() => site.desk.waiting === 1);
    const closed = site.service.close();
    site.desk.release();
    expect(await call).toEqual({ waited: true });
    await closed;
  });

  it('shares requests among the replicas of a group, each handled once', async () => {
    await using broker = await spawnMosquitto();
    const connection: MqttConnection = { kind: 'network', url: broker.url, clientId: 'test' };
    const desks = [new Desk('first'), new Desk('second')] as const;
    const replicas = await Promise.all(desks.map((desk) => startService(connection, desk, { group: 'test' })));
    const client = await connectRpcClient(connection);
    const names = Array.from({ length: 20 }, (_, index) => `device-${index}`);
    await Promise.all(names.map((name) => client.call(greet, { name })));
    expect([...desks[0].greeted, ...desks[1].greeted].sort()).toEqual([...names].sort());
    expect(desks.map(({ greeted }) => greeted.length > 0)).toEqual([true, true]);
    await client.close();
    await Promise.all(replicas.map((replica) => replica.close()));
  });

  it.each([
    ['is no JSON', 'hello'],
    ['is JSON of another kind', '{"id":"ce-1","data":{"name":"x"},"specversion":"1.0"}'],
    ['asks for the reply on a topic of its own choice', request({ replyTo: 'te/device/child01/cmd' })],
    ['asks for the reply with a wildcard', request({ replyTo: 'sallyport/v1/reply/#' })],
    ['names no deadline', request({ deadlineMs: undefined })],
  ])('drops a message that %s', async (_what, message) => {
    await using site = await openSite();
    const mqtt = await connectMqtt(site.connection);
    await mqtt.publish(greet.pattern, message);
    await site.client.call(greet, { name: 'after' });
    expect(site.desk.greeted).toEqual(['after']);
    await mqtt.close();
  });

  it('handles a request the broker delivers twice twice, and the caller sees one answer', async () => {
    await using site = await openSite();
    const mqtt = await connectMqtt(site.connection);
    const replies: string[] = [];
    await mqtt.subscribe('sallyport/v1/reply/caller', (_topic, payload) => void replies.push(String(payload)));
    const message = request({});
    await mqtt.publish(greet.pattern, message);
    await mqtt.publish(greet.pattern, message);
    await waitFor(() => replies.length === 2);
    expect(site.desk.greeted).toEqual(['x', 'x']);
    expect(replies[0]).toBe(replies[1]);
    await mqtt.close();
  });

  it('does not come up without its subscriptions', async () => {
    const connection: MqttConnection = { kind: 'network', url: 'http://127.0.0.1:1', clientId: 'test' };
    await expect(startService(connection)).rejects.toMatchObject({ type: 'config-invalid' });
  });
});

function request(changes: Record<string, unknown>): string {
  return JSON.stringify({
    id: '5f3e2a10-8c39-4f0e-9a54-6d1b1f0c7a11',
    replyTo: 'sallyport/v1/reply/caller',
    deadlineMs: 1_000,
    data: { name: 'x' },
    ...changes,
  });
}
