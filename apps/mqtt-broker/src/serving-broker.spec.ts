import { once } from 'node:events';
import { createServer } from 'node:net';
import { EmbeddedBroker } from '@sallyport/embedded-broker';
import type { BrokerStatus } from '@sallyport/protocol';
import { Readiness } from '@sallyport/runtime';
import { RawConnection, runProgram, waitFor } from '@sallyport/testkit';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EmbeddedServing } from './serving-broker.js';

interface Site {
  readonly port: number;
  status(): BrokerStatus;
}

/** The embedded broker as the entrance serves it, behind a plain port. */
async function openSite(): Promise<Site> {
  const broker = new EmbeddedBroker({ limits: { sessionsPerIdentity: 1 }, onWarning: () => undefined });
  const serving = new EmbeddedServing(broker, undefined, { metrics: new Registry(), readiness: new Readiness() });
  const server = createServer((socket) =>
    serving.serve({
      socket,
      peer: undefined,
      remoteAddress: '127.0.0.1',
      alpn: undefined,
      destination: {},
      draining: new AbortController().signal,
      close: () => socket.destroy(),
      identify: async () => ({ outcome: 'refused', reason: 'token-expired' }),
      endGently: () => undefined,
    }),
  ).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.close();
    await broker.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, status: () => serving.status };
}

/** Leaves a session behind, or is refused. */
function keepSession({ port }: Site, clientId: string) {
  const place = ['-h', '127.0.0.1', '-p', String(port)];
  return runProgram('mosquitto_sub', [...place, '-i', clientId, '-c', '-q', '1', '-t', 'a', '-E', '-W', '5']);
}

async function sendFirst({ port }: Site, bytes: string): Promise<void> {
  await using client = await RawConnection.open({ port });
  client.send(Buffer.from(bytes, 'hex'));
  await client.closed();
}

describe('the status of the embedded broker', () => {
  it('counts the refused CONNECTs by the same reasons as the door', async () => {
    const site = await openSite();
    // An empty client id for a session to be kept, version 7, PINGREQ, and a CONNECT of 256 MB.
    await sendFirst(site, '100c00044d5154540400003c0000');
    await sendFirst(site, '100f00044d5154540702003c00036f6e65');
    await sendFirst(site, 'c000');
    await sendFirst(site, '10ffffff7f00044d515454');
    await keepSession(site, 'first');
    await keepSession(site, 'second');
    expect(site.status().refusals).toEqual({
      'client-id-not-valid': 1,
      'version-unknown': 1,
      'connect-malformed': 1,
      'connect-too-large': 1,
      'sessions-full': 1,
    });
  });

  it('shows what the broker holds', async () => {
    const site = await openSite();
    await keepSession(site, 'first');
    const place = ['-h', '127.0.0.1', '-p', String(site.port)];
    await runProgram('mosquitto_pub', [...place, '-q', '1', '-r', '-t', 'a', '-m', 'x'.repeat(500)]);
    await waitFor(() => site.status().sessions === 0);
    const { holds } = site.status();
    expect(holds).toMatchObject({ sessions: 1, retainedMessages: 1, journalBytes: 0 });
    expect(holds?.queuedBytes).toBeGreaterThan(500);
  });
});
