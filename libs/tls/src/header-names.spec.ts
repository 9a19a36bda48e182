import { RawConnection } from '@sallyport/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { plain, Site, serverOnly } from './fixtures/site.js';

const site = new Site(onTestFinished);

describe('what a listener answers by itself', () => {
  const spelt = /^(?:[A-Z][a-z]+(?:-[A-Z][a-z]+)*|ETag|WWW-Authenticate)$/;

  it.each([
    ['a redirect', serverOnly, 307, 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a fault', plain, 400, 'GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['bytes that are not HTTP', plain, 400, 'no HTTP\r\n\r\n'],
    ['an expectation it cannot meet', plain, 417, 'GET /a HTTP/1.1\r\nHost: a\r\nExpect: more\r\n\r\n'],
  ] as const)('spells the names of headers as the standards do: %s', async (_case, security, status, request) => {
    const settings = typeof security === 'function' ? security() : security;
    const { port } = await site.openListener(settings, { limits: { lingerMs: 50 } });
    await using connection = await RawConnection.open({ port });
    connection.send(request);

    const answer = await connection.response();

    expect(answer.status).toBe(status);
    expect(answer.headerNames.filter((name) => !spelt.test(name))).toEqual([]);
  });
});
