import 'reflect-metadata';
import { get as httpsGet } from 'node:https';
import { TestCa, waitFor } from '@sallyport/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { answer, EntranceSite, metricsOf } from './entrance-site.fixture.js';

describe('the refusals an entrance reports to the registry', () => {
  let site: EntranceSite;
  beforeAll(async () => {
    site = await EntranceSite.create();
  });
  beforeEach(() => site.start());
  afterEach(() => site.stop());
  afterAll(() => site.remove());

  it('tells the audit log about a peer the registry was never asked about', async () => {
    const registry = await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    const stranger = await TestCa.create();
    expect(await site.greetingOverTls(await stranger.issue({ commonName: 'child01' }))).toMatch(/^403 /);
    await waitFor(() => registry.recorded.length > 0);
    expect(registry.recorded).toEqual(['issuer-unknown']);
    expect(registry.asked).toEqual([]);
    await stranger[Symbol.asyncDispose]();
  });

  it('leaves it to the registry to write down whom it refuses itself', async () => {
    const registry = await site.startRegistry();
    registry.decide = () => ({ outcome: 'refused', reason: 'device-locked' });
    await site.configureMutual();
    await site.openEntrance();
    expect(await site.greetingOverTls()).toMatch(/^403 /);
    // Refused after it, and by the entrance alone.
    await expect(
      answer(httpsGet({ host: 'localhost', port: site.port(), agent: false, ca: site.ca.certPem })),
    ).rejects.toThrow();
    await waitFor(() => registry.recorded.length > 0);
    expect(registry.recorded).toEqual(['no-certificate']);
  });

  it('leaves the registry time for admissions in a flood of refusals', async () => {
    const registry = await site.startRegistry();
    const held = Promise.withResolvers<void>();
    registry.recording = held.promise;
    await site.configureMutual();
    await site.openEntrance();
    let host = 1;
    const noCertificate = () => {
      host += 1;
      const from = { localAddress: `127.0.0.${host}` };
      return answer(httpsGet({ host: '127.0.0.1', port: site.port(), agent: false, ca: site.ca.certPem, ...from }));
    };

    await Promise.allSettled(Array.from({ length: 40 }, noCertificate));
    expect(await site.greetingOverTls()).toBe('200 hello');
    expect(registry.recorded).toHaveLength(16);
    expect(await metricsOf(site.context)).toContain('entrance="http",reason="no-certificate"} 40');

    held.resolve();
    await waitFor(async () => {
      await noCertificate().catch(() => undefined);
      return registry.recorded.length > 16;
    });
  });

  it('tells the registry once of a peer that knocks again and again', async () => {
    const registry = await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    const noCertificate = () =>
      answer(httpsGet({ host: 'localhost', port: site.port(), agent: false, ca: site.ca.certPem }));

    for (let count = 0; count < 40; count += 1) await noCertificate().catch(() => undefined);
    expect(await site.greetingOverTls()).toBe('200 hello');

    expect(await metricsOf(site.context)).toContain('entrance="http",reason="no-certificate"} 40');
    expect(registry.recorded).toEqual(['no-certificate']);
  });
});
