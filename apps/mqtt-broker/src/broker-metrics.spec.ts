import { TestBroker } from '@sallyport/embedded-broker/testing';
import { RawConnection, waitFor } from '@sallyport/testkit';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { registerBrokerMetrics } from './broker-metrics.js';
import { openBrokerSite } from './broker-site.fixture.js';

async function valuesOf(registry: Registry): Promise<Record<string, number>> {
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(lines.map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]));
}

describe('metrics of the embedded broker', () => {
  it('show what it holds and what it has done', async () => {
    await using site = await openBrokerSite({ limits: { queuedMessages: 2 } });
    const registry = new Registry();
    registerBrokerMetrics(registry, site.broker);
    await site.subscribe('te/a', 1, '-i', 'away', '-c', '-E');
    for (const payload of ['1', '2', '3']) await site.publish('te/a', payload, '-r');
    await using raw = await RawConnection.open({ port: site.port });
    // CONNECT without a client id for a session to be kept.
    raw.send(Buffer.from('100c00044d5154540400003c0000', 'hex'));
    await raw.closed();
    await waitFor(() => site.broker.clients === 0);
    expect(await valuesOf(registry)).toMatchObject({
      sallyport_broker_connections: 0,
      sallyport_broker_sessions: 1,
      sallyport_broker_retained_messages: 1,
      sallyport_broker_messages_received_total: 3,
      sallyport_broker_messages_sent_total: 2,
      'sallyport_broker_messages_dropped_total{reason="session-full"}': 1,
      'sallyport_broker_connects_refused_total{reason="client-id-not-valid"}': 1,
    });
  });

  it('show the same when they are read twice', async () => {
    await using site = await TestBroker.start();
    const registry = new Registry();
    registerBrokerMetrics(registry, site.broker);
    site.broker.counters.messagesReceived = 5;
    await valuesOf(registry);
    expect((await valuesOf(registry))['sallyport_broker_messages_received_total']).toBe(5);
  });
});
