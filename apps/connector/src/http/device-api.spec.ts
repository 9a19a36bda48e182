import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestCertificate } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Asking, HttpSite } from './http-site.fixture.js';

const alias = '/onep:v1/stack/alias';

let site: HttpSite;
let device: TestCertificate;

beforeAll(async () => {
  site = await HttpSite.open();
  device = await site.device('pump-1');
});

afterAll(() => site[Symbol.asyncDispose]());

const ask = (path: string, asking: Asking = {}) => site.ask(path, { device, ...asking });

describe('values over HTTP', () => {
  it.each(['/onep:v1', '/api:v1'])('are written and read below %s', async (prefix) => {
    expect(await ask(`${prefix}/stack/alias`, { body: 'a=1&b=2' })).toMatchObject({ status: 204, text: '' });
    expect(await ask(`${prefix}/stack/alias?a&b&c`)).toMatchObject({ status: 200, text: 'a=1&b=2' });
  });

  it('are form-encoded both ways', async () => {
    await ask(alias, { body: 'note%20x=a%26b+%C3%BC%3D' });
    const answer = await ask(`${alias}?note+x`);
    expect(answer.text).toBe('note%20x=a%26b%20%C3%BC%3D');
    expect(answer.headers['content-type']).toBe('application/x-www-form-urlencoded; charset=utf-8');
  });

  it('give 204 when none of them is known', async () => {
    expect(await ask(`${alias}?unknown`)).toMatchObject({ status: 204, text: '' });
  });

  it('are written before others are read, in one request', async () => {
    expect(await ask(`${alias}?speed`, { body: 'speed=7' })).toMatchObject({ status: 200, text: 'speed=7' });
  });

  it.each([
    ['?alias=', `${alias}?a=`, {}],
    ['another Accept', alias, { body: 'a=1', headers: { Accept: 'application/xhtml+xml' } }],
    [
      'a misspelt charset',
      alias,
      { body: 'a=1', headers: { 'Content-Type': 'application/x-www-form-urlencoded; charset=utf=8' } },
    ],
    ['Connection: close', alias, { body: 'a=1', headers: { Connection: 'close' } }],
  ])('suffer the quirks of old firmware: %s', async (_quirk, path, asking) => {
    expect((await ask(path, asking)).status).toBeLessThan(300);
  });

  it.each([
    ['a "%" that begins no character', alias, { body: 'a=%zz' }, 400],
    ['an escape that is not UTF-8', alias, { body: 'a=%ff' }, 400],
    ['an empty body', alias, { body: '', method: 'POST' }, 400],
    ['a body without "="', alias, { body: 'temperature' }, 400],
    ['a name of the body without "="', alias, { body: 'a=1&b' }, 400],
    ['no name in the query', alias, {}, 400],
    ['another type', alias, { body: '{}', headers: { 'Content-Type': 'application/json' } }, 415],
    ['a body above 1 MiB', alias, { body: `a=${'x'.repeat(1_100_000)}` }, 413],
    ['another method', alias, { method: 'DELETE' }, 405],
    ['another path', '/api:v1/stack', {}, 404],
    ['an alias with a dot', alias, { body: 'a.b=1' }, 400],
  ])('are refused with the right status: %s', async (_fault, path, asking, status) => {
    expect((await ask(path, asking)).status).toBe(status);
  });
});

describe('a long poll', () => {
  it('answers as soon as the value changes, with the time of the change', async () => {
    const waiting = ask(`${alias}?valve`, { headers: { 'Request-Timeout': '60000', 'If-Modified-Since': '1' } });
    await ask(alias, { body: 'valve=open' });
    const answer = await waiting;
    expect(answer).toMatchObject({ status: 200, text: 'valve=open' });
    expect(answer.headers['last-modified']).toMatch(/^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
  });

  it('answers the same value once only to a device that sends Last-Modified back', async () => {
    await ask(alias, { body: 'level=3' });
    const headers = { 'Request-Timeout': '50', 'If-Modified-Since': '1' };
    const first = await ask(`${alias}?level`, { headers });
    const since = String(first.headers['last-modified']);
    for (const modified of [since, String(Date.parse(since) / 1000)])
      expect(await ask(`${alias}?level`, { headers: { ...headers, 'If-Modified-Since': modified } })).toMatchObject({
        status: 304,
      });
  });

  it('takes the place of the oldest when a device has left twelve behind', async () => {
    const answered: string[] = [];
    const poll = async (name: string) => {
      const { status } = await ask(`${alias}?door`, { headers: { 'Request-Timeout': '60000' } });
      answered.push(`${name} ${status}`);
    };
    const first = poll('first');
    const others = Array.from({ length: 11 }, async () => poll('another'));
    await expect.poll(async () => (await ask(`${alias}?unknown`)).status).toBe(204);
    const newest = Array.from({ length: 12 }, async () => poll('newest'));
    await Promise.all([first, ...others]);
    expect(new Set(answered)).toEqual(new Set(['first 304', 'another 304']));
    await ask(alias, { body: 'door=open' });
    await Promise.all(newest);
    expect(answered.slice(12)).toEqual(newest.map(() => 'newest 200'));
  });

  it.each([
    ['two values', `${alias}?a&b`, '1000'],
    ['a timeout that is no number', `${alias}?a`, 'soon'],
    ['a timeout above five minutes', `${alias}?a`, '300001'],
  ])('is refused for %s', async (_fault, path, timeout) => {
    expect(await ask(path, { headers: { 'Request-Timeout': timeout } })).toMatchObject({ status: 400 });
  });
});

describe('values of the past', () => {
  it.each([
    ['/onep:v1/stack/record', 'alias=past&1700000000=20&1700000060=21'],
    ['/onep:v1/stack/alias/past', '1700000000.5=20&1700000060.25=21'],
  ])('are recorded at %s', async (path, body) => {
    expect(await ask(path, { body })).toMatchObject({ status: 204 });
    expect(await ask(`${alias}?past`)).toMatchObject({ text: 'past=21' });
  });

  it.each(['1700000000=20', 'alias=a&yesterday=20', 'alias=a', 'alias=a&1700000000'])(
    'are refused: %s',
    async (body) => {
      expect(await ask('/onep:v1/stack/record', { body })).toMatchObject({ status: 400 });
    },
  );
});

describe('what needs no credential', () => {
  it('is the time', async () => {
    const answer = await site.ask('/timestamp');
    expect(answer).toMatchObject({ status: 200, text: expect.stringMatching(/^\d{10}$/) });
  });

  it('is the address of this side', async () => {
    expect(await site.ask('/ip')).toMatchObject({ status: 200, text: `127.0.0.1:${site.port}` });
  });
});

describe('contents', () => {
  beforeAll(async () => {
    const folder = join(site.directory, 'data/connector/content/default');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'firmware.bin'), '0123456789');
    await writeFile(join(site.directory, 'data/connector/content/secret'), 'x');
  });

  it('are listed', async () => {
    expect(await ask('/provision/download')).toMatchObject({ status: 200, text: 'firmware.bin\r\n' });
  });

  it('are described', async () => {
    const { text } = await ask('/provision/download?id=firmware.bin&info=true');
    expect(text).toMatch(/^application\/octet-stream,10,\d{10},\r\n$/);
  });

  it('are sent, whole and in parts', async () => {
    expect(await ask('/provision/download?id=firmware.bin')).toMatchObject({ status: 200, text: '0123456789' });
    const part = await ask('/provision/download?id=firmware.bin', { headers: { Range: 'bytes=2-4' } });
    expect(part).toMatchObject({ status: 206, text: '234', headers: { 'content-range': 'bytes 2-4/10' } });
    expect(await ask('/provision/download?id=firmware.bin', { headers: { Range: 'bytes=99-' } })).toMatchObject({
      status: 416,
    });
  });

  it.each(['..%2Fsecret', '../secret', '.hidden', 'none', '%00', 'a%2F..%2F..%2Fsecret'])(
    'are not found: %s',
    async (id) => {
      expect(await ask(`/provision/download?id=${id}`)).toMatchObject({ status: 404 });
    },
  );
});
