import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { connectRpcClient, mqttRpcServer, RpcHandler } from '@sallyport/mqtt';
import { defineRpc } from '@sallyport/protocol';
import { waitFor } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { collect, inProcess, openBrokerSite, quiet } from './broker-site.fixture.js';

const echo = defineRpc({
  pattern: 'sallyport/v1/rpc/test/echo',
  request: z.strictObject({ word: z.string() }),
  response: z.strictObject({ word: z.string() }),
});

@Controller()
class EchoController {
  @RpcHandler(echo)
  echo(request: z.output<typeof echo.request>): z.input<typeof echo.response> {
    return request;
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

describe('embedded broker', () => {
  it('carries messages between clients of the network', async () => {
    await using site = await openBrokerSite();
    await site.publish('te/device/main', 'kept', '-r');
    const { stdout } = await site.subscribe('te/#', 1);
    expect(stdout).toBe('te/device/main kept\n');
  });

  it('carries messages between a service and the network', async () => {
    await using site = await openBrokerSite();
    const received = await collect(await site.service(), 'te/+/e');
    expect((await site.publish('te/child01/e', 'hello')).exitCode).toBe(0);
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['te/child01/e hello']);
  });

  it('carries RPC between services through memory', async () => {
    await using site = await openBrokerSite();
    const strategy = mqttRpcServer(inProcess(site.broker, 'answering'));
    const service = await NestFactory.createMicroservice(EchoModule, { strategy, logger: false });
    await service.listen();
    const client = await connectRpcClient(inProcess(site.broker, 'asking'), quiet);
    expect(await client.call(echo, { word: 'hello' })).toEqual({ word: 'hello' });
    await client.close();
    await service.close();
  });

  it('serves many messages in the order they were published', async () => {
    await using site = await openBrokerSite();
    const received = await collect(await site.network('sub'), 'n');
    const publisher = await site.network('pub');
    const numbers = Array.from({ length: 500 }, (_, index) => String(index));
    await Promise.all(numbers.map((number) => publisher.publish('n', number)));
    await waitFor(() => received.length === 500);
    expect(received).toEqual(numbers.map((number) => `n ${number}`));
  });

  it('queues QoS 1 messages for a client that is away', async () => {
    await using site = await openBrokerSite();
    await site.subscribe('a', 1, '-i', 'away', '-c', '-E');
    await site.publish('a', 'meanwhile');
    const { stdout } = await site.subscribe('a', 1, '-i', 'away', '-c');
    expect(stdout).toBe('a meanwhile\n');
  });

  it('passes QoS 2 messages on once', async () => {
    await using site = await openBrokerSite();
    const received = await collect(await site.service(), 'a');
    await site.publish('a', 'once', '-q', '2');
    await waitFor(() => received.length > 0);
    expect(received).toEqual(['a once']);
  });

  it('closes the connections of its clients when it closes', async () => {
    await using site = await openBrokerSite();
    const mqtt = await site.network();
    await site.broker.close();
    await waitFor(() => !mqtt.isConnected);
  });
});
