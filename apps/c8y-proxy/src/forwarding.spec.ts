import 'reflect-metadata';
import { createHash, randomBytes } from 'node:crypto';
import { answers, type CloudAnswer, digestOf, type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
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

/** Answers when the whole request has come. */
const received: CloudAnswer = (request, response) => {
  request.once('end', () => response.writeHead(201).end());
  request.resume();
};

const echo = '/echo';
const last = (path: string) => cloud.api.requestsTo(path).at(-1);

describe('a request through the Cumulocity proxy', () => {
  it('is answered by the tenant, with the token of the device', async () => {
    const { status, headers, text } = await site.ask('/c8y/inventory/managedObjects');

    expect([status, headers['content-type']]).toEqual([200, 'application/json']);
    expect(JSON.parse(text)).toHaveProperty('managedObjects');
    expect(last('/inventory/managedObjects')?.header('authorization')).toBe(`Bearer ${cloud.tokens.issued.at(-1)}`);
  });

  it.each([
    ['/c8y', '/'],
    ['/c8y/', '/'],
    [
      '/c8y/a%2Fb%20c/%C3%A9?q=$filter=(x%20eq%20%27a%27)&empty=&x=1+2',
      '/a%2Fb%20c/%C3%A9?q=$filter=(x%20eq%20%27a%27)&empty=&x=1+2',
    ],
    ['/c8y//a/./b/../c?x=../..', '//a/./b/../c?x=../..'],
  ])('for %s reaches the tenant as %s, byte for byte', async (path, target) => {
    await site.ask(path);

    expect(cloud.api.requests.at(-1)?.target).toBe(target);
  });

  it('is counted once, however often the figures are read', async () => {
    cloud.api.answer(echo, answers.status(202, 'ok'));
    const counted = 'sallyport_c8y_proxy_requests_total{connection="c8y",method="PATCH",status="202"}';
    for (const total of [1, 2]) {
      await site.ask(`/c8y${echo}`, { method: 'PATCH' });

      expect(await site.metrics()).toContain(`${counted} ${total}\n`);
      expect(await site.metrics()).toContain(`${counted} ${total}\n`);
    }
  });

  it('says the host of the settings, whatever host the client asked', async () => {
    cloud.api.answer(echo, answers.status(200, 'ok'));
    await site.ask(`/c8y${echo}`, { headers: { Host: 'evil.example', 'User-Agent': 'curl/8', 'X-Own': 'kept' } });

    const seen = last(echo);
    expect(seen?.headers.filter(([name]) => name.toLowerCase() === 'host')).toEqual([
      ['Host', `localhost:${cloud.api.port}`],
    ]);
    expect([seen?.header('user-agent'), seen?.header('x-own')]).toEqual(['curl/8', 'kept']);
  });

  it('loses the fields of its connection on the way, in both directions', async () => {
    cloud.api.answer(
      echo,
      answers.status(200, 'ok', {
        'Keep-Alive': 'timeout=9',
        'X-Answer': 'kept',
        Connection: 'X-Secret',
        'X-Secret': '1',
      }),
    );
    const headers = {
      Connection: 'X-Hop',
      'X-Hop': '1',
      TE: 'trailers',
      'Proxy-Authorization': 'Basic eA==',
      'X-Kept': '1',
    };
    const answer = await site.ask(`/c8y${echo}`, { headers });

    const seen = last(echo);
    expect(['x-hop', 'te', 'proxy-authorization', 'connection'].map((name) => seen?.header(name))).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(seen?.header('x-kept')).toBe('1');
    expect([answer.headers['x-answer'], answer.headers['x-secret'], answer.headers['keep-alive']]).toEqual([
      'kept',
      undefined,
      undefined,
    ]);
  });

  it.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('may be %s', async (method) => {
    cloud.api.answer(echo, answers.status(200, 'ok', { 'content-length': '2' }));

    expect((await site.ask(`/c8y${echo}`, { method })).status).toBe(200);
    expect(last(echo)?.method).toBe(method);
  });

  it('of another method is answered 405 with those there are', async () => {
    const before = cloud.api.requests.length;
    const { status, headers } = await site.ask('/c8y/x', { method: 'PROPFIND' });

    expect([status, headers.allow]).toEqual([405, 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS']);
    expect(cloud.api.requests.length).toBe(before);
  });

  it.each([
    ['https://evil.example', 'localhost'],
    ['http://evil.example', 'evil.example'],
    ['null', 'localhost'],
  ])('of a page from %s to %s is refused, and the tenant is not asked', async (origin, host) => {
    const before = cloud.api.requests.length;
    const { status, text } = await site.ask('/c8y/x', { method: 'POST', headers: { Origin: origin, Host: host } });

    expect([status, JSON.parse(text).reason, cloud.api.requests.length]).toEqual([403, 'foreign-page', before]);
  });

  it('of a page of this machine is passed on', async () => {
    const headers = { Origin: 'http://localhost:3000', Host: 'localhost' };

    expect((await site.ask('/c8y/tenant/currentTenant', { headers })).status).toBe(200);
  });

  it.each(['/', '/tedge/file-transfer/x', '/c8yy', '/C8Y/x'])(
    'for %s is answered 404, and the tenant is not asked',
    async (path) => {
      const before = cloud.api.requests.length;

      expect((await site.ask(path)).status).toBe(404);
      expect(cloud.api.requests.length).toBe(before);
    },
  );

  it.each(['/c8y/apps/devicemanagement/', '/c8y/a/main.js?x=1', '/c8y/x/%2e%2e/apps/y', '/c8y/main%2ejs'])(
    'for the user interface (%s) is answered 403 with nothing, and costs no token',
    async (path) => {
      const [before, tokens] = [cloud.api.requests.length, site.tokenRequests];

      expect(await site.ask(path)).toMatchObject({ status: 403, text: '' });
      expect([cloud.api.requests.length, site.tokenRequests]).toEqual([before, tokens]);
    },
  );

  it.each([400, 403, 404, 409, 422, 500, 503])('gets an answer %i of the tenant as it is', async (status) => {
    cloud.api.answer(echo, answers.json(status, { error: 'own/words' }), { times: 1 });

    expect(await site.ask(`/c8y${echo}`)).toMatchObject({ status, text: '{"error":"own/words"}' });
  });

  it.each(['content-length', 'chunked'] as const)('gets a large answer whole (%s)', async (framing) => {
    const bytes = 20 * 1024 * 1024;
    cloud.api.answer('/large', answers.download(bytes, framing), { times: 1 });
    const answer = await fetch(`http://127.0.0.1:${site.port}/c8y/large`);
    const hash = createHash('sha256').update(Buffer.from(await answer.arrayBuffer()));

    expect(hash.digest('hex')).toBe(digestOf(bytes));
    expect(answer.headers.get('content-length')).toBe(framing === 'chunked' ? null : String(bytes));
  });

  it.each([
    ['small', 1_000, 'content-length', false],
    ['of a mebibyte', 1024 * 1024, 'content-length', false],
    ['above a mebibyte', 1024 * 1024 + 1, 'content-length', true],
    ['of unknown length', 5 * 1024 * 1024, 'chunked', true],
  ] as const)(
    'with a body %s arrives whole, and the token is tried before it if it can be sent once only',
    async (_, size, framing, isTried) => {
      cloud.api.answer('/body', received, { times: 1 });
      const before = cloud.api.requestsTo('/tenant/currentTenant').length;
      const body = randomBytes(size);
      const headers = framing === 'chunked' ? { 'Transfer-Encoding': 'chunked' } : { 'Content-Length': String(size) };

      expect((await site.ask('/c8y/body', { method: 'POST', body, headers })).status).toBe(201);
      const seen = last('/body');
      expect([seen?.body.bytes, seen?.body.sha256]).toEqual([size, createHash('sha256').update(body).digest('hex')]);
      expect(seen?.framing).toBe(framing);
      expect(cloud.api.requestsTo('/tenant/currentTenant').length - before).toBe(isTried ? 1 : 0);
    },
  );

  it('for EST reaches the EST of the tenant', async () => {
    expect((await site.ask('/c8y/.well-known/est/cacerts')).status).toBe(200);
  });
});
