import { waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpSite } from './http-site.fixture.js';

const alias = '/api:v1/stack/alias';

describe('a device with a certificate of a Client CA', () => {
  let site: HttpSite;

  beforeAll(async () => {
    site = await HttpSite.open();
  });

  afterAll(() => site[Symbol.asyncDispose]());

  it('writes a value with its first request', async () => {
    const device = await site.device('pump-1');
    expect(await site.ask(alias, { device, body: 'temperature=50' })).toMatchObject({ status: 204, text: '' });
    expect(await site.ask(`${alias}?temperature`, { device })).toMatchObject({ status: 200, text: 'temperature=50' });
  });

  it('is named by the registry, which gets the connector and the certificate', async () => {
    const device = await site.device('pump-2');
    await site.ask(`${alias}?temperature`, { device });
    const asked = site.registry.asked.find(({ deviceId }) => deviceId === 'pump-2');
    expect(asked).toMatchObject({
      entrance: 'connector',
      issuedHere: false,
      connector: { name: 'default', certificate: expect.stringMatching(/^MII/) },
    });
  });

  it('may have a name that is no device id, when the registry gives it one', async () => {
    const device = await site.device('Pump 3/öst');
    site.registry.admit = (asked) => ({
      outcome: 'admitted',
      deviceId: site.registry.asked[0]?.deviceId ?? asked.deviceId,
      kind: 'device',
    });
    expect(await site.ask(alias, { device, body: 'a=1' })).toMatchObject({ status: 204 });
    expect(site.registry.asked.at(-1)?.deviceId).toMatch(/^x5t:[0-9a-f]{60}$/);
  });

  it.each([
    ['name-conflict', 409],
    ['certificate-not-pinned', 409],
    ['not-expected', 404],
    ['device-locked', 403],
    ['too-many-new-devices', 429],
  ] as const)('is told the reason when the registry refuses it: %s gives %i', async (reason, status) => {
    const device = await site.device(`refused-${status}`);
    site.registry.admit = () => ({ outcome: 'refused', reason });
    const answer = await site.ask(alias, { device, body: 'temperature=50' });
    expect(answer).toMatchObject({ status });
    expect(JSON.parse(answer.text)).toMatchObject({ status, reason });
  });

  it('loses its open connection within a second when it is revoked', async () => {
    site.registry.admit = (asked) => ({ outcome: 'admitted', deviceId: asked.deviceId, kind: 'device' });
    const device = await site.device('pump-9');
    const waiting = site.ask(`${alias}?valve`, { device, headers: { 'Request-Timeout': '60000' } });
    const ended = expect(waiting).rejects.toThrow();
    await waitFor(() => site.registry.asked.some(({ deviceId }) => deviceId === 'pump-9'));
    await site.announce('pump-9', 'revoked');
    await ended;
  });
});

describe('a certificate of another CA', () => {
  it('gets in nowhere', async () => {
    await using site = await HttpSite.open();
    const stranger = await site.siteCa.issue({ commonName: 'pump-1' });
    await site.save(
      site.registry.connectors.map((view) => ({
        ...view,
        settings: { ...view.settings, pki: { ...view.settings.pki, acceptsSite: false } },
      })),
    );
    await waitFor(() => site.registry.reported.includes(2));
    const answer = await site.ask(alias, { device: stranger, body: 'temperature=50' });
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.text)).toMatchObject({ reason: 'issuer-unknown' });
    expect(site.registry.asked).toEqual([]);
  });
});
