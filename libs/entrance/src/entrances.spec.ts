import 'reflect-metadata';
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { certificatesFromPem } from '@sallyport/x509';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { answer, EntranceSite, metricsOf } from './entrance-site.fixture.js';

describe('an entrance of a service', () => {
  let site: EntranceSite;
  beforeAll(async () => {
    site = await EntranceSite.create();
  });
  beforeEach(() => site.start());
  afterEach(() => site.stop());
  afterAll(() => site.remove());

  it('opens at the level its settings amount to, and says so', async () => {
    await site.openEntrance();
    expect(site.entrances.describe()).toMatchObject([
      { name: 'greetings', group: 'http', level: 'plain', isOpen: true },
    ]);
    expect(await answer(httpGet({ port: site.port(), agent: false }))).toBe('200 hello');
  });

  it('shows the fingerprint and the end of its certificate', async () => {
    await site.configureMutual();
    await site.openEntrance();
    const [certificate] = certificatesFromPem(site.server.certPem);
    expect(site.entrances.describe()).toMatchObject([
      { level: 'mutual', fingerprint: certificate?.fingerprint, notAfter: certificate?.notAfter.toISOString() },
    ]);
  });

  it('refuses to open with half a pair, naming both keys', async () => {
    await site.configure({ cert_path: site.server.certPath });
    await expect(site.openEntrance()).rejects.toThrow(
      /http\.cert_path.*http\.key_path|http\.key_path.*http\.cert_path/s,
    );
    expect(site.entrances.describe()).toEqual([]);
  });

  it('goes from plain to mutual on reload, on the same port', async () => {
    await site.startRegistry();
    await site.openEntrance();
    const before = site.port();
    await site.configureMutual();
    await site.entrances.reload();
    expect(site.port()).toBe(before);
    expect(await site.greetingOverTls()).toBe('200 hello');
    await expect(
      answer(httpsGet({ host: 'localhost', port: site.port(), agent: false, ca: site.ca.certPem })),
    ).rejects.toThrow();
  });

  it('keeps what it has when a reload fails', async () => {
    await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    await site.configure({ cert_path: site.server.certPath, key_path: site.child.keyPath, ca_path: site.ca.certPath });
    await expect(site.entrances.reload()).rejects.toThrow('http.key_path');
    expect(await site.greetingOverTls()).toBe('200 hello');
  });

  it('stays shut below level mutual when it is for administrators', async () => {
    await site.openEntrance({ mutualOnly: true });
    expect(site.entrances.describe()).toMatchObject([{ isOpen: false, level: 'mutual' }]);
    await site.configureMutual();
    await site.startRegistry();
    await site.entrances.reload();
    expect(site.entrances.describe()).toMatchObject([{ isOpen: true, level: 'mutual' }]);
    await site.configure({});
    await site.entrances.reload();
    expect(site.entrances.describe()).toMatchObject([{ isOpen: false }]);
  });

  it('lets in nobody of another kind than it is for', async () => {
    await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance({ permittedKinds: new Set(['admin']) });
    expect(await site.greetingOverTls()).toMatch(/^403 /);
    expect(await metricsOf(site.context)).toContain('entrance="http",reason="not-permitted"} 1');
  });

  it('lets nobody in while the registry is silent', async () => {
    await site.configureMutual();
    await site.openEntrance();
    expect(await site.greetingOverTls()).toMatch(/^503 /);
    expect(await metricsOf(site.context)).toContain('entrance="http",reason="admission-unavailable"} 1');
  });

  it('counts connections, handshakes and what was turned', async () => {
    await site.startRegistry();
    await site.configureMutual();
    await site.openEntrance();
    await site.greetingOverTls();
    await answer(httpGet({ host: '127.0.0.1', port: site.port(), agent: false }));
    const counted = await metricsOf(site.context);
    expect(counted).toContain('sallyport_entrance_events_total{entrance="http",event="accepted"} 2');
    expect(counted).toContain('sallyport_entrance_events_total{entrance="http",event="handshakes"} 1');
    expect(counted).toContain('sallyport_entrance_events_total{entrance="http",event="redirected"} 1');
  });
});
