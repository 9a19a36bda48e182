import { waitFor } from '@sallyport/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HttpSite, mostGuesses } from './http-site.fixture.js';

const alias = '/onep:v1/stack/alias';
const token = 't'.repeat(40);

describe('a device without a certificate', () => {
  let site: HttpSite;

  beforeEach(async () => {
    site = await HttpSite.open();
    site.registry.tokens.set(token, 'pump-18').set('mac:18:secret', 'pump-18');
  });

  afterEach(() => site[Symbol.asyncDispose]());

  it('activates once, and gets its token as text', async () => {
    const answer = await site.ask('/provision/activate', { body: 'id=pump-18' });
    expect(answer).toMatchObject({ status: 200, text: 'a'.repeat(40) });
    expect(answer.headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
    expect(await site.ask('/provision/activate', { body: 'id=pump-18' })).toMatchObject({ status: 409 });
  });

  it.each(['vendor=v&model=m&sn=pump-19', 'sn=pump-20'])(
    'activates as firmware of the time before: %s',
    async (body) => {
      expect(await site.ask('/provision/activate', { body })).toMatchObject({ status: 200 });
    },
  );

  it('is told when nobody expects it', async () => {
    expect(await site.ask('/provision/activate', { body: 'id=stranger' })).toMatchObject({ status: 404 });
  });

  it.each([
    ['X-Exosite-CIK', token],
    ['Authorization', `Bearer ${token}`],
    ['Authorization', `Basic ${Buffer.from('mac:18:secret').toString('base64')}`],
  ])('proves who it is with %s', async (name, value) => {
    expect(await site.ask(alias, { body: 'a=1', headers: { [name]: value } })).toMatchObject({ status: 204 });
  });

  it.each([{}, { 'X-Exosite-CIK': 'wrong' }])('gets 401 without the right credential', async (headers) => {
    const answer = await site.ask(alias, { body: 'a=1', headers });
    expect(answer).toMatchObject({ status: 401, headers: { 'www-authenticate': 'Bearer' } });
  });

  it('is asked about once, with its other contacts reported together, and again after the registry has announced a change', async () => {
    const headers = { 'X-Exosite-CIK': token };
    for (let times = 0; times < 3; times += 1) await site.ask(alias, { body: 'a=1', headers });
    expect(site.registry.authentications).toBe(1);
    await site.entrances.contacts.send();
    expect(site.registry.contacts).toMatchObject([{ deviceId: 'pump-18', entrance: 'connector', contacts: 2 }]);
    site.registry.tokens.clear();
    await site.announce('pump-18', 'revoked');
    await waitFor(async () => (await site.ask(alias, { body: 'a=1', headers })).status === 401);
  });

  it('has its waiting ended when it is locked', async () => {
    const headers = { 'X-Exosite-CIK': token, 'Request-Timeout': '60000' };
    const waiting = site.ask(`${alias}?valve`, { headers });
    await waitFor(() => site.registry.authentications === 1);
    site.registry.tokens.clear();
    await site.announce('pump-18', 'locked');
    expect([304, 401]).toContain((await waiting).status);
  });

  it('gets in while other devices change all the time, but not on an answer from before its own change', async () => {
    const ask = () => site.ask(alias, { body: 'a=1', headers: { 'X-Exosite-CIK': token } });
    site.registry.meanwhile = () => site.announce('pump-19', 'active');
    expect(await ask()).toMatchObject({ status: 204 });
    await site.announce('pump-18', 'active');
    site.registry.meanwhile = () => site.announce('pump-18', 'locked');
    await waitFor(async () => (await ask()).status === 503);
  });

  it('may guess so often only, and keeps no device out that the connector knows', async () => {
    const ask = (secret: string) => site.ask(alias, { body: 'a=1', headers: { 'X-Exosite-CIK': secret } });
    expect(await ask(token)).toMatchObject({ status: 204 });
    for (let guesses = 0; guesses < mostGuesses; guesses += 1)
      expect(await ask(`wrong-${guesses}`)).toMatchObject({ status: 401 });
    expect(await ask('wrong')).toMatchObject({ status: 429, headers: { 'retry-after': '30' } });
    expect(await ask(token)).toMatchObject({ status: 204 });
  });

  it('may show a wrong secret again and again, which keeps nobody out and costs the registry nothing', async () => {
    const ask = (secret: string) => site.ask(alias, { body: 'a=1', headers: { 'X-Exosite-CIK': secret } });
    for (let times = 0; times < 5; times += 1) expect(await ask('wrong')).toMatchObject({ status: 401 });
    expect(site.registry.authentications).toBe(1);
    site.registry.tokens.set('wrong', 'pump-19');
    await site.announce('pump-19', 'active');
    await waitFor(async () => (await ask('wrong')).status === 204);
  });
});

describe('a device with a certificate', () => {
  it('may activate, which changes nothing', async () => {
    await using site = await HttpSite.open();
    const device = await site.device('pump-1');
    for (let times = 0; times < 2; times += 1)
      expect(await site.ask('/provision/activate', { device, body: 'id=pump-1' })).toMatchObject({
        status: 204,
        text: '',
      });
    expect(site.registry.activated.size).toBe(0);
  });

  it('is the device of its certificate, whatever token it sends', async () => {
    await using site = await HttpSite.open();
    site.registry.tokens.set(token, 'pump-18');
    const device = await site.device('pump-1');
    await site.ask(alias, { device, body: 'a=mine', headers: { 'X-Exosite-CIK': token } });
    expect(await site.ask(`${alias}?a`, { device })).toMatchObject({ text: 'a=mine' });
    expect(await site.ask(`${alias}?a`, { headers: { 'X-Exosite-CIK': token } })).toMatchObject({ status: 204 });
  });
});
