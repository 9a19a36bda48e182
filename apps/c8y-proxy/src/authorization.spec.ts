import 'reflect-metadata';
import { rename, writeFile } from 'node:fs/promises';
import { answers, type CloudAnswer, type FakeCloud, fakeCloud } from '@sallyport/testkit/fake-cloud';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ProxySite } from './proxy-site.fixture.js';

let cloud: FakeCloud;
let site: ProxySite;

beforeAll(async () => {
  cloud = await fakeCloud();
});
afterAll(() => cloud[Symbol.asyncDispose]());

const path = '/inventory/managedObjects';
const ask = (asked = {}) => site.ask(`/c8y${path}`, asked);
const seenCount = (target: string) => cloud.api.requestsTo(target).length;

describe('the token of the device', () => {
  beforeEach(async () => {
    site = await (await ProxySite.open(cloud)).start();
  });
  afterEach(() => site[Symbol.asyncDispose]());

  it('is asked for once, and kept for further requests', async () => {
    await Promise.all([ask(), ask(), ask()]);
    await ask();

    expect(site.tokenRequests).toBe(1);
  });

  it('is not asked for when the client brings its own authorization, even while there is none to get', async () => {
    site.answerToken = () => undefined;
    const authorization = `Basic ${Buffer.from(`${cloud.user.name}:${cloud.user.password}`).toString('base64')}`;

    expect((await ask({ headers: { Authorization: authorization } })).status).toBe(200);
    expect(cloud.api.requestsTo(path).at(-1)?.header('authorization')).toBe(authorization);
    expect(site.tokenRequests).toBe(0);
  });

  it('is left alone when the tenant refuses the own authorization of a client', async () => {
    const before = seenCount(path);

    expect((await ask({ headers: { Authorization: 'Bearer wrong' } })).status).toBe(401);
    expect([seenCount(path) - before, site.tokenRequests]).toEqual([1, 0]);
  });

  it('is renewed when the tenant refuses it, and the request is sent again with its body', async () => {
    await ask();
    cloud.tokens.revokeAll();
    const before = seenCount(path);
    const body = JSON.stringify({ name: 'press-7' });

    expect(await ask({ method: 'POST', body })).toMatchObject({ status: 201 });
    expect([site.tokenRequests, seenCount(path) - before]).toEqual([2, 2]);
  });

  it('is renewed once for a thousand requests that the tenant refuses at a time', async () => {
    await ask();
    cloud.tokens.revokeAll();
    const agent = `http://127.0.0.1:${site.port}/c8y${path}`;

    const statuses = await Promise.all(Array.from({ length: 1_000 }, async () => (await fetch(agent)).status));

    expect(new Set(statuses)).toEqual(new Set([200]));
    expect(site.tokenRequests).toBe(2);
  });

  it('is renewed once for a request; a second 401 goes to the client', async () => {
    await ask();
    const stop = cloud.api.answer(path, answers.unauthorized());
    const before = seenCount(path);

    expect(await ask()).toMatchObject({ status: 401, text: expect.stringContaining('security/Unauthorized') });
    expect([seenCount(path) - before, site.tokenRequests]).toEqual([2, 2]);
    stop();
  });

  it('is not renewed again and again for a path that is refused with every token', async () => {
    const stop = cloud.api.answer('/never', answers.unauthorized());
    for (let count = 0; count < 5; count += 1) expect((await site.ask('/c8y/never')).status).toBe(401);
    stop();

    expect(site.tokenRequests).toBe(2);
    expect((await ask()).status).toBe(200);
  });

  it.each([403, 500, 503])('is not renewed for a %i', async (status) => {
    cloud.api.answer(path, answers.status(status), { times: 1 });

    expect((await ask()).status).toBe(status);
    expect(site.tokenRequests).toBe(1);
  });

  it('is renewed before its end, without making a request wait', async () => {
    cloud.tokens.lifetimeSeconds = 1;
    site.answerToken = () => {
      const token = cloud.tokens.issue('gateway01');
      cloud.tokens.lifetimeSeconds = 3600;
      return `71,${token}`;
    };
    await ask();

    await expect.poll(async () => [(await ask()).status, site.tokenRequests], { timeout: 5_000 }).toEqual([200, 2]);
  });

  it('is tried before a body that cannot be sent twice', async () => {
    await ask();
    cloud.tokens.revokeAll();
    const received: CloudAnswer = (request, response) => {
      request.once('end', () => response.writeHead(201).end());
      request.resume();
    };
    cloud.api.answer('/stream', received, { times: 1 });
    const body = Buffer.alloc(2 * 1024 * 1024);

    expect((await site.ask('/c8y/stream', { method: 'PUT', body })).status).toBe(201);
    expect([seenCount('/stream'), site.tokenRequests]).toEqual([1, 2]);
    const seen = cloud.api.requestsTo('/stream').at(-1);
    expect(seen?.header('authorization')).toBe(`Bearer ${cloud.tokens.issued.at(-1)}`);
  });

  it('that is refused for a stream is renewed for the next request, and the client gets the 401', async () => {
    cloud.api.answer('/refused', (request, response) => {
      request.once('end', () => response.writeHead(401).end());
      request.resume();
    });
    const body = Buffer.alloc(2 * 1024 * 1024);

    expect((await site.ask('/c8y/refused', { method: 'PUT', body })).status).toBe(401);
    expect(seenCount('/refused')).toBe(1);
    await expect.poll(() => site.tokenRequests).toBe(2);
  });

  it.each([
    ['no JSON Web Token', '71,opaque'],
    ['no JSON Web Token', '71,a.b.c'],
    ['no JSON Web Token', '71,'],
    ['another template', '41,100,Busy'],
    ['too long', `71,${'a'.repeat(9_000)}`],
    ['with a line break in it', '71,eyJhIjoxfQ.eyJhIjoxfQ.x\r\nX-Evil: 1'],
  ])('that is %s is an error of its own, and nothing of it is told', async (_, answer) => {
    site.answerToken = () => answer;
    const { status, headers, text } = await ask();

    expect([status, headers['content-type']]).toEqual([502, 'application/problem+json']);
    expect(JSON.parse(text)).toMatchObject({ reason: 'token-invalid', status: 502 });
    expect(text).not.toContain(answer.slice(3, 12) || 'undefined');
    expect(await site.metrics()).toContain(
      'sallyport_c8y_proxy_upstream_errors_total{connection="c8y",reason="token-invalid"} 1',
    );
  });

  it('that the broker has kept from before is no answer', async () => {
    await site.keepToken('c8y', '71,kept');

    expect((await ask()).status).toBe(200);
    expect(await site.metrics()).toContain(
      'sallyport_c8y_proxy_authorizations_total{connection="c8y",outcome="good"} 1',
    );
  });
});

describe('user name and password', () => {
  const device = { name: 'device_gateway01', password: 'pass:word' };
  let basic: FakeCloud;

  beforeAll(async () => {
    basic = await fakeCloud({ deviceUsers: [device] });
  });
  afterAll(() => basic[Symbol.asyncDispose]());
  afterEach(() => site[Symbol.asyncDispose]());

  const credentials = (username: string, password: string) =>
    `[c8y]\nusername = ${JSON.stringify(username)}\npassword = ${JSON.stringify(password)}\n`;

  async function open(text: string): Promise<string> {
    site = await ProxySite.open(basic);
    const file = site.directory.file('credentials.toml');
    await writeFile(file, text, { mode: 0o600 });
    await site.configure(['c8y.auth_method = "basic"', `c8y.credentials_path = "${file}"`]);
    await site.start();
    return file;
  }

  it('authenticate the device, and no token is asked for', async () => {
    await open(credentials(device.name, device.password));

    expect((await ask()).status).toBe(200);
    expect(site.tokenRequests).toBe(0);
  });

  it('are read again when the tenant refuses them', async () => {
    const file = await open(credentials(device.name, 'former'));
    expect((await ask()).status).toBe(401);
    await writeFile(`${file}.new`, credentials(device.name, device.password), { mode: 0o600 });
    await rename(`${file}.new`, file);

    expect((await ask()).status).toBe(200);
  });

  it.each([
    ['are missing', '[c8y]\nusername = "x"\n'],
    ['would be read as others', credentials('a:b', 'secret-word')],
  ])('that %s are an error of its own, without a word of them', async (_, text) => {
    await open(text);
    const answer = await ask();

    expect(answer.status).toBe(502);
    expect(JSON.parse(answer.text)).toMatchObject({ reason: 'credentials-not-usable' });
    expect(answer.text).not.toContain('secret-word');
  });
});
