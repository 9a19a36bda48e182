import 'reflect-metadata';
import { answers, type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProxySite } from './proxy-site.fixture.js';

let cloud: FakeCloud;
let site: ProxySite;

beforeAll(async () => {
  cloud = await fakeCloud();
  site = await (await ProxySite.open(cloud)).start();
});
afterAll(async () => {
  await site[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

const there = '/there';
const seen = () => cloud.api.requestsTo(there).at(-1);

describe('a redirect within the tenant', () => {
  it.each([
    ['a path', there],
    ['an address of the tenant', () => `${cloud.api.url}${there}`],
    ['a path beside the first', 'there'],
  ])('to %s is followed, with the token', async (_, location) => {
    cloud.api.answer('/here', answers.redirect(typeof location === 'string' ? location : location()), { times: 1 });
    cloud.api.answer(there, answers.status(200, 'arrived'), { times: 1 });

    expect(await site.ask('/c8y/here')).toMatchObject({ status: 200, text: 'arrived' });
    expect(seen()?.header('authorization')).toBe(`Bearer ${cloud.tokens.issued.at(-1)}`);
  });

  it.each([
    [301, 'POST', 'GET', 0],
    [302, 'PUT', 'GET', 0],
    [303, 'POST', 'GET', 0],
    [303, 'HEAD', 'HEAD', 0],
    [307, 'POST', 'POST', 4],
    [308, 'PUT', 'PUT', 4],
  ] as const)('with %i turns %s into %s', async (status, method, followed, bytes) => {
    cloud.api.answer('/here', answers.redirect(there, status), { times: 1 });
    cloud.api.answer(
      there,
      (request, response) => {
        request.once('end', () => response.writeHead(200).end());
        request.resume();
      },
      { times: 1 },
    );
    const body = method === 'HEAD' ? {} : { body: 'body', headers: { 'Content-Type': 'text/x-own' } };
    await site.ask('/c8y/here', { method, ...body });

    expect([seen()?.method, seen()?.body.bytes, seen()?.header('content-type')]).toEqual([
      followed,
      bytes,
      bytes > 0 ? 'text/x-own' : undefined,
    ]);
  });

  it('to the user interface goes to the client as it is', async () => {
    cloud.api.answer('/here', answers.redirect('/apps/cockpit/'), { times: 1 });
    const before = cloud.api.requests.length;

    expect(await site.ask('/c8y/here')).toMatchObject({ status: 302, headers: { location: '/apps/cockpit/' } });
    expect(cloud.api.requests.length).toBe(before + 1);
  });

  it('of a body that cannot be sent twice goes to the client as it is', async () => {
    cloud.api.answer(
      '/here',
      (request, response) => {
        request.once('end', () => response.writeHead(307, { location: there }).end());
        request.resume();
      },
      { times: 1 },
    );

    expect((await site.ask('/c8y/here', { method: 'PUT', body: Buffer.alloc(2 * 1024 * 1024) })).status).toBe(307);
  });

  it('without an end is an error after ten', async () => {
    const stop = cloud.api.answer('/here', answers.redirect('/here'));
    const before = cloud.api.requestsTo('/here').length;
    const { status, text } = await site.ask('/c8y/here');
    stop();

    expect([status, JSON.parse(text).reason]).toEqual([502, 'too-many-redirects']);
    expect(cloud.api.requestsTo('/here').length - before).toBe(11);
  });
});

describe('a redirect to another place', () => {
  it.each([
    'https://evil.example/x',
    'http://localhost/there',
    '//evil.example/there',
    'https://localhost/there',
    'https://user@localhost/there',
    'https://evil.example@127.0.0.1/there',
    'ftp://localhost/there',
    'https://localhost:99999/there',
  ])('(%s) goes to the client as it is, and the token nowhere', async (location) => {
    cloud.api.answer('/here', answers.redirect(location), { times: 1 });
    const before = cloud.api.requests.length;

    expect(await site.ask('/c8y/here')).toMatchObject({ status: 302, headers: { location } });
    expect(cloud.api.requests.length).toBe(before + 1);
  });
});
