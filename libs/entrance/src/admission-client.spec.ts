import 'reflect-metadata';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { deviceChanged, isTokenAdmission } from '@sallyport/protocol';
import { openLog } from '@sallyport/runtime';
import { waitFor } from '@sallyport/testkit';
import type { Connection } from '@sallyport/tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { serviceCertificateFiles } from './entrance-settings.js';
import { admitAll, contextWith, EntranceSite, named } from './entrance-site.fixture.js';
import { Entrances } from './entrances.js';

describe('the answers of the registry about peers of an entrance', () => {
  let site: EntranceSite;
  beforeAll(async () => {
    site = await EntranceSite.create();
  });
  beforeEach(() => site.start());
  afterEach(() => site.stop());
  afterAll(() => site.remove());

  it('asks the registry once for a peer that keeps coming', async () => {
    const registry = await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    for (const _ of [1, 2, 3]) expect(await site.greetingOverTls()).toBe('200 hello');
    expect(registry.asked).toMatchObject([
      { deviceId: 'child01', kind: 'device', issuedHere: false, entrance: 'http' },
    ]);
  });

  it('asks again for a peer that was refused, so that a mended one gets in', async () => {
    const registry = await site.startRegistry();
    registry.decide = () => ({ outcome: 'refused', reason: 'device-locked' });
    await site.configureMutual();
    await site.openEntrance();
    expect(await site.greetingOverTls()).toMatch(/^403 /);
    registry.decide = admitAll;
    expect(await site.greetingOverTls()).toBe('200 hello');
  });

  it('tells the registry in one message of the contacts for which it did not ask', async () => {
    const registry = await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    for (const _ of [1, 2, 3]) expect(await site.greetingOverTls()).toBe('200 hello');
    await site.entrances.contacts.send();
    await site.entrances.contacts.send();
    expect(registry.reports).toMatchObject([
      [{ deviceId: 'child01', entrance: 'http', remoteAddress: '127.0.0.1', contacts: 2 }],
    ]);
  });

  it('tells a contact again when the registry did not answer, and counts it once', async () => {
    await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    for (const _ of [1, 2]) expect(await site.greetingOverTls()).toBe('200 hello');
    await site.closeRegistry();
    await site.entrances.contacts.send();
    const registry = await site.startRegistry();
    await site.entrances.contacts.send();
    expect(registry.reports).toMatchObject([[{ deviceId: 'child01', contacts: 0 }]]);
  });

  it.each([
    ['a minute is over', 60_000],
    ['the clock has been set back', -3_600_000],
  ])('asks again when %s', async (_, shiftMs) => {
    let shift = 0;
    const clock = { now: () => new Date(Date.now() + shift) };
    site.entrances = new Entrances(contextWith(site.context, { clock }));
    await site.entrances.onModuleInit();
    const registry = await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    expect(await site.greetingOverTls()).toBe('200 hello');

    shift = shiftMs;

    expect(await site.greetingOverTls()).toBe('200 hello');
    expect(registry.asked).toHaveLength(2);
  });

  it('asks the registry about a token each time, and lets it revoke the device', async () => {
    const registry = await site.startRegistry();
    const connected = Promise.withResolvers<Connection>();
    await site.openEntrance({ handler: { stream: (connection) => connected.resolve(connection) } });
    const socket = connect(site.port(), '127.0.0.1');
    const closed = new Promise((resolve) => socket.on('error', () => undefined).once('close', resolve));
    socket.write('sign in');
    const connection = await connected.promise;
    const expiresAt = new Date(site.context.clock.now().getTime() + 3_600_000);
    const claim = { deviceId: named('child01'), issuer: 'https://login.example', expiresAt };

    for (const _ of [1, 2]) await connection.identify(claim);
    await site.announce('revoked');
    await closed;

    expect(registry.asked).toMatchObject([
      { credential: 'token', deviceId: 'child01', entrance: 'http' },
      { credential: 'token', deviceId: 'child01', entrance: 'http' },
    ]);
  });

  it('asks again about a certificate it judges differently from before', async () => {
    const registry = await site.startRegistry();
    registry.decide = (asked) =>
      !isTokenAdmission(asked) && asked.issuedHere ? admitAll(asked) : { outcome: 'refused', reason: 'not-permitted' };
    const { clientCaPath } = serviceCertificateFiles(site.context.settings, 'agent');
    await mkdir(dirname(clientCaPath), { recursive: true });
    await writeFile(clientCaPath, site.ca.certPem);
    await site.configureMutual();
    await site.openEntrance();
    expect(await site.greetingOverTls()).toBe('200 hello');

    await rm(clientCaPath);
    await site.entrances.reload();

    expect(await site.greetingOverTls()).toMatch(/^403 /);
  });

  it('forgets what it knew of a device that is changed, whichever certificates the announcement names', async () => {
    const registry = await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    expect(await site.greetingOverTls()).toBe('200 hello');
    registry.decide = () => ({ outcome: 'refused', reason: 'device-locked' });

    await site.announce('locked', []);

    await waitFor(async () => (await site.greetingOverTls()).startsWith('403 '));
  });

  it('forgets everything it knew when it cannot read an announcement', async () => {
    const registry = await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    expect(await site.greetingOverTls()).toBe('200 hello');
    registry.decide = () => ({ outcome: 'refused', reason: 'device-locked' });

    await site.context.mqtt.publish(deviceChanged.topic, '{"deviceId":"child01","state":"quarantined"}');

    await waitFor(async () => (await site.greetingOverTls()).startsWith('403 '));
  });

  it('does not remember an answer that a change overtook', async () => {
    const registry = await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    let letAnswer = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letAnswer = resolve;
    });
    registry.decide = async (asked) => {
      await held;
      return admitAll(asked);
    };
    const overtaken = site.greetingOverTls().catch(() => 'cut');
    await waitFor(() => registry.asked.length === 1);
    await site.announce('revoked');
    expect(await overtaken).toBe('cut');
    letAnswer();
    registry.decide = () => ({ outcome: 'refused', reason: 'device-revoked' });
    expect(await site.greetingOverTls()).toMatch(/^403 /);
  });

  it('asks the registry again while its announcements cannot be heard', async () => {
    const registry = await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    expect(await site.greetingOverTls()).toBe('200 hello');
    await site.context.mqtt.close();
    registry.decide = () => ({ outcome: 'refused', reason: 'device-revoked' });
    expect(await site.greetingOverTls()).toMatch(/^403 /);
  });

  it('goes by the last answer for its minute when neither registry nor announcements can be reached', async () => {
    await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    expect(await site.greetingOverTls()).toBe('200 hello');
    await site.context.mqtt.close();
    await site.closeRegistry();
    expect(await site.greetingOverTls()).toBe('200 hello');
  });

  it('says once a minute that the registry is silent, however many knock', async () => {
    const lines: string[] = [];
    const log = openLog({ level: 'warn', destination: { write: (line) => lines.push(line) } });
    site.entrances = new Entrances(contextWith(site.context, { log }));
    await site.entrances.onModuleInit();
    await site.configureMutual();
    await site.openEntrance();

    await Promise.allSettled(Array.from({ length: 10 }, () => site.greetingOverTls()));

    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('device registry did not answer');
  });
});
