import { once } from 'node:events';
import { defaultConnector, deviceId } from '@sallyport/protocol';
import { TestCa, waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clientCaView, HttpSite, viewOf } from './http-site.fixture.js';

const alias = '/api:v1/stack/alias';

describe('several connectors', () => {
  let site: HttpSite;
  let otherCa: TestCa;

  beforeEach(async () => {
    otherCa = await TestCa.create({ commonName: 'Other CA' });
    site = await HttpSite.open((clientCa) => [
      viewOf('default', [clientCa]),
      viewOf('pumps', [otherCa], ['pumps.example']),
    ]);
  });

  afterEach(async () => {
    await site[Symbol.asyncDispose]();
    await otherCa[Symbol.asyncDispose]();
  });

  it.each([
    ['pumps.example', 'pumps'],
    ['PUMPS.example', 'pumps'],
    ['localhost', 'default'],
    ['elsewhere.example', 'default'],
  ])('are told apart by the host of the handshake: %s is one of %s', async (serverName, connector) => {
    const device = await otherCa.issue({ commonName: 'pump-1' });
    const answer = await site.ask(alias, { device, serverName, body: 'a=1', headers: { Host: serverName } });
    expect(answer.status).toBe(204);
    expect(site.registry.asked.at(-1)).toMatchObject({ connector: { name: connector } });
  });

  it.each([
    ['pumps.example', 'localhost'],
    ['localhost', 'pumps.example'],
  ])('are not mixed: a connection for %s is closed after a request for %s', async (serverName, host) => {
    const device = await site.device('pump-1');
    const answer = await site.ask(alias, { device, serverName, body: 'a=1', headers: { Host: host } });
    expect(answer).toMatchObject({ status: 421, headers: { connection: 'close' } });
  });

  it('are not reached through a connection without a host', async () => {
    const socket = site.connect({ device: await site.device('pump-1') });
    socket.write(`GET ${alias}?a HTTP/1.1\r\nHost: pumps.example\r\n\r\n`);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1.1 421 /);
    socket.destroy();
  });

  it('can require that every device names its host', async () => {
    await site.configure('connector.requires_sni = true');
    const socket = site.connect({ device: await site.device('pump-1') });
    socket.on('error', () => undefined);
    socket.write(`GET ${alias}?a HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    const answers: Buffer[] = [];
    socket.on('data', (piece: Buffer) => answers.push(piece));
    await once(socket, 'close');
    expect(answers).toEqual([]);
  });
});

describe('a saved change', () => {
  it('is in force at the listener before the registry is told so', async () => {
    await using site = await HttpSite.open(() => [viewOf('default', [])]);
    const device = await site.device('pump-1');
    expect((await site.ask(alias, { device, body: 'a=1' })).status).toBe(403);
    await site.save([viewOf('default', [site.clientCa])]);
    await waitFor(() => site.registry.reported.includes(2));
    expect((await site.ask(alias, { device, body: 'a=1' })).status).toBe(204);
  });

  it('ends open connections of a Client CA that is cut off', async () => {
    await using site = await HttpSite.open();
    const device = await site.device('pump-1');
    const waiting = site.ask(`${alias}?valve`, { device, headers: { 'Request-Timeout': '60000' } });
    const ended = expect(waiting).rejects.toThrow();
    await waitFor(() => site.registry.asked.length === 1);
    site.registry.admit = () => ({ outcome: 'refused', reason: 'issuer-disabled' });
    const cut = clientCaView(site.clientCa, { login: false, sessions: 'end' });
    await site.save([{ ...viewOf('default', []), clientCas: [cut] }]);
    await ended;
  });

  it('lets open connections go on when only new logins are blocked', async () => {
    await using site = await HttpSite.open();
    const device = await site.device('pump-1');
    const waiting = site.ask(`${alias}?valve`, { device, headers: { 'Request-Timeout': '60000' } });
    await waitFor(() => site.registry.asked.length === 1);
    site.registry.admit = () => ({ outcome: 'refused', reason: 'issuer-disabled' });
    const blocked = clientCaView(site.clientCa, { login: false, sessions: 'keep' });
    await site.save([{ ...viewOf('default', []), clientCas: [blocked] }]);
    await waitFor(() => site.registry.reported.includes(2));
    expect((await site.ask(alias, { device, body: 'a=1' })).status).toBe(403);
    await site.values.desire({
      deviceId: deviceId.parse('pump-1'),
      connector: defaultConnector,
      resources: {},
      values: new Map([['valve', 'open']]),
      actor: 'admin:alice',
    });
    expect(await waiting).toMatchObject({ status: 200, text: 'valve=open' });
  });
});
