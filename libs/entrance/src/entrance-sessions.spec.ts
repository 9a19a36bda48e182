import 'reflect-metadata';
import type { Duplex } from 'node:stream';
import { connectMqtt } from '@sallyport/mqtt';
import { isTokenAdmission } from '@sallyport/protocol';
import { openLog } from '@sallyport/runtime';
import { waitFor } from '@sallyport/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  admitAll,
  contextWith,
  EntranceSite,
  fingerprintOf,
  openBrokerStream,
  openSession,
} from './entrance-site.fixture.js';
import { Entrances } from './entrances.js';

describe('the sessions of an entrance', () => {
  let site: EntranceSite;
  beforeAll(async () => {
    site = await EntranceSite.create();
  });
  beforeEach(() => site.start());
  afterEach(() => site.stop());
  afterAll(() => site.remove());

  it.each(['locked', 'revoked', 'retired'] as const)(
    'ends the sessions of a device that is %s, within a second',
    async (state) => {
      await site.startRegistry();
      await site.configureMutual();
      await site.openEntrance();
      const session = await openSession(site.port(), site.ca, site.child);
      const startedAt = performance.now();
      await site.announce(state);
      await session.ended;
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    },
  );

  it('ends the session of a revoked device also while the entrance is shutting', async () => {
    await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance({ handler: { http: (_request, response) => void response.write('a long answer') } });
    const session = await openSession(site.port(), site.ca, site.child);
    const startedAt = performance.now();
    const shut = site.entrances.beforeApplicationShutdown();
    await site.announce('revoked');
    await session.ended;
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    await shut;
  });

  it('keeps its sessions when the registry comes back to the broker later than the entrance', async () => {
    const streams: Duplex[] = [];
    const openStream = () => {
      const stream = openBrokerStream(site.context);
      streams.push(stream);
      return stream;
    };
    const mqtt = await connectMqtt({ kind: 'in-process', openStream, clientId: 'entrance' });
    const lines: string[] = [];
    const log = openLog({ destination: { write: (line) => lines.push(line) } });
    site.entrances = new Entrances(contextWith(site.context, { mqtt, log }));
    await site.entrances.onModuleInit();
    await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    const session = await openSession(site.port(), site.ca, site.child);

    await site.closeRegistry();
    streams.at(-1)?.destroy();
    await waitFor(() => lines.some((line) => line.includes('device registry did not answer')));
    const registry = await site.startRegistry();
    await waitFor(() => registry.asked.length > 0);

    expect(session.isOpen()).toBe(true);
    session.close();
    await mqtt.close();
  });

  it('ends the session of a revoked certificate and leaves the same device with its new one alone', async () => {
    const registry = await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    const renewed = await site.ca.issue({ commonName: 'child01' });
    const [oldSession, newSession] = [
      await openSession(site.port(), site.ca, site.child),
      await openSession(site.port(), site.ca, renewed),
    ];
    const revoked = fingerprintOf(site.child);
    registry.decide = (asked) =>
      !isTokenAdmission(asked) && asked.fingerprint === revoked
        ? { outcome: 'refused', reason: 'certificate-revoked' }
        : admitAll(asked);
    await site.announce('active', [revoked]);
    await oldSession.ended;
    expect(newSession.isOpen()).toBe(true);
    newSession.close();
  });
});
