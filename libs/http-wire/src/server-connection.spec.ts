import { afterEach, describe, expect, it } from 'vitest';
import { collect } from './body.js';
import { serveHttp } from './server-connection.js';
import { WireSite } from './wire-site.fixture.js';

const site = new WireSite();
afterEach(() => site.close());

describe('a connection that is served', () => {
  it('answers one request after the other on the same connection', async () => {
    const port = await site.serve(({ target }, response) => response.answer(200, [], target));
    const client = await site.client(port);

    client.say('GET /a HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.hear('\r\n\r\n/a');
    client.say('GET /b HTTP/1.1\r\nHost: a\r\n\r\n');

    expect(await client.hear('\r\n\r\n/b')).not.toContain('Connection: close');
  });

  it('answers requests in one packet in their order', async () => {
    const port = await site.serve(async ({ target, body }, response) => {
      const bytes = await collect(body, 100);
      response.answer(200, [], `${target}=${bytes};`);
    });
    const client = await site.client(port);

    client.say(
      'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none' +
        'POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n' +
        'GET /c HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    );

    expect((await client.ended()).match(/\/.=\w*;/g)).toEqual(['/a=one;', '/b=two;', '/c=;']);
  });

  it.each([true, false])(
    'gives up a client that ends its side before its response, where it is told so: %s',
    async (endsWithClient) => {
      const asked: (() => void)[] = [];
      let gone = false;
      const port = await site.listen(
        (socket) =>
          void serveHttp(socket, {
            endsWithClient,
            handler: (request, response) => {
              request.onAbandoned(() => {
                gone = true;
              });
              asked.push(() => response.answer(200, [], 'late'));
            },
          }),
      );
      const client = await site.client(port);
      client.say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
      await expect.poll(() => asked.length).toBe(1);
      client.socket.end();
      if (endsWithClient) await expect.poll(() => gone).toBe(true);
      for (const answer of asked) answer();

      expect(await client.ended()).toEqual(endsWithClient ? '' : expect.stringMatching(/late$/));
      expect(gone).toBe(endsWithClient);
    },
  );
});
