import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RawConnection } from '@sallyport/testkit';
import { describe, expect, it } from 'vitest';
import { type Answer, sendAnswer } from './answer.js';

const isAddress = (address: AddressInfo | string | null): address is AddressInfo =>
  address !== null && typeof address === 'object';

/** Sends raw bytes to a server that answers before it has read any body. */
async function answerTo(bytes: string, answer: Answer) {
  const listener: RequestListener = (request, response) => sendAnswer(request, response, answer);
  const server = createServer(listener).on('checkContinue', listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (!isAddress(address)) throw new Error('the server does not listen');
  try {
    await using connection = await RawConnection.open({ port: address.port });
    connection.send(bytes);
    return await connection.response();
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const head = (method: string, more = '') => `${method} / HTTP/1.1\r\nHost: a\r\n${more}\r\n`;

describe('an answer', () => {
  it('has its status, headers, body and length', async () => {
    const answer = { status: 405, headers: ['Allow', 'GET'], body: 'Use GET, für immer.' };
    const { status, headers, body } = await answerTo(head('POST'), answer);
    expect([status, headers['allow'], headers['content-length']]).toEqual([405, 'GET', '20']);
    expect(body.toString()).toBe('Use GET, für immer.');
    expect(headers['transfer-encoding']).toBeUndefined();
  });

  it('has a length without a body too, but not when nothing has changed', async () => {
    expect((await answerTo(head('GET'), { status: 404 })).headers['content-length']).toBe('0');
    expect((await answerTo(head('GET'), { status: 304 })).headers['content-length']).toBeUndefined();
  });

  it('keeps the connection when little of the request is unread', async () => {
    const request = head('POST', 'Content-Length: 100\r\n');
    const { status, headers } = await answerTo(request + 'x'.repeat(100), { status: 404 });
    expect([status, headers['connection']]).toEqual([404, 'keep-alive']);
  });

  it.each([
    ['a long body', 'Content-Length: 10000000\r\n'],
    ['a body of unknown length', 'Transfer-Encoding: chunked\r\n'],
    ['a body the client waits to be asked for', 'Content-Length: 10\r\nExpect: 100-continue\r\n'],
  ])('ends the connection when %s is unread', async (_case, more) => {
    const { status, headers } = await answerTo(head('POST', more), { status: 413, body: 'Too long.' });
    expect([status, headers['connection']]).toEqual([413, 'close']);
  });

  it('reaches a client that sends a long body to its end first', async () => {
    const request = head('POST', 'Content-Length: 8000000\r\n') + 'x'.repeat(8_000_000);
    const { status, body } = await answerTo(request, { status: 413, body: 'Too long.' });
    expect([status, body.toString()]).toEqual([413, 'Too long.']);
  });
});
