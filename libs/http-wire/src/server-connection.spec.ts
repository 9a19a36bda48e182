import { afterEach, describe, expect, it } from 'vitest';
import { type BodySink, collect, WholeBody } from './body.js';
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

  it.each([
    ['http://a:8001/x/%2F?y=1', 'a:8001', '/x/%2F?y=1'],
    ['HTTP://A:8001/x', 'a:8001', '/x'],
    ['http://a:80', 'a', '/'],
    ['https://a?y', 'a:443', '/?y'],
  ])('serves a target in absolute form like its path: %s', async (target, host, path) => {
    const port = await site.serve((request, response) => response.answer(200, [], `<${request.target}>`));

    const heard = await site.exchange(port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);

    expect(heard).toContain(`<${path}>`);
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

const get = (fields = '') => `GET / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`;
const post = (fields: string, body = '') => `POST / HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`;

describe('a response', () => {
  it.each([
    [
      'HEAD has the length and no body',
      'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
      200,
      'Content-Length: 4\r\nConnection: close\r\n\r\n',
    ],
    ['204 has neither', get('Connection: close\r\n'), 204, 'Connection: close\r\n\r\n'],
    [
      '304 has the length and no body',
      get('Connection: close\r\n'),
      304,
      'Content-Length: 4\r\nConnection: close\r\n\r\n',
    ],
  ])('to %s', async (_what, request, status, end) => {
    const port = await site.serve((_request, response) => response.answer(status, ['X-Last', '1'], 'body'));

    expect(await site.exchange(port, request)).toMatch(new RegExp(`X-Last: 1\r\n${end}$`));
  });

  it('of unknown length is chunked in HTTP/1.1, and ends with the connection in HTTP/1.0', async () => {
    const body = { length: undefined, isReplayable: false, resume: () => undefined, cancel: () => undefined };
    const flow = (sink: BodySink): void => {
      sink.write(Buffer.from('one'));
      sink.write(Buffer.from('two'));
      sink.end();
    };
    const port = await site.serve((_request, response) =>
      response.send({ status: 200, fields: [] }, { ...body, flow }),
    );

    const newer = await site.exchange(port, get('Connection: close\r\n'));
    const older = await site.exchange(port, 'GET / HTTP/1.0\r\n\r\n');

    expect(newer).toBe(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n',
    );
    expect(older).toBe('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nonetwo');
  });

  it('keeps a connection of HTTP/1.0 where the client asks for it', async () => {
    const port = await site.serve(({ target }, response) => response.answer(200, [], target));
    const client = await site.client(port);

    client.say('GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
    expect(await client.hear('\r\n\r\n/a')).toContain('Connection: keep-alive\r\n');
    client.say('GET /b HTTP/1.0\r\n\r\n');

    expect(await client.ended()).toMatch(/Connection: close\r\n\r\n\/b$/);
  });

  it('whose body fails is cut, so that nobody takes it for whole', async () => {
    const port = await site.serve((_request, response) => {
      const body = { length: undefined, isReplayable: false, resume: () => undefined, cancel: () => undefined };
      const flow = (sink: BodySink): void => {
        sink.write(Buffer.from('half'));
        sink.flush();
        sink.fail(new Error('the cloud has gone'));
      };
      response.send({ status: 200, fields: [] }, { ...body, flow });
    });

    expect(await site.exchange(port, get())).not.toContain('0\r\n\r\n');
  });

  it('to a client that does not read waits: no more of its body is taken than fits', async () => {
    let taken = 0;
    const piece = Buffer.alloc(65_536);
    const port = await site.serve((_request, response) => {
      const flow = (sink: BodySink): void => {
        do {
          taken += piece.length;
          sink.write(piece);
        } while (sink.flush());
      };
      const body = { length: undefined, isReplayable: false, resume: () => undefined, cancel: () => undefined };
      response.send({ status: 200, fields: [] }, { ...body, flow });
    });
    const client = await site.client(port);
    client.socket.pause();

    client.say(get());

    await expect.poll(() => taken).toBeGreaterThan(0);
    expect(taken).toBeLessThan(16 * 1024 * 1024);
  });
});

describe('the body of a request', () => {
  it.each([
    ['when the handler wants it', true, 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n'],
    ['not when the handler answers without it', false, 'HTTP/1.1 200 OK\r\n'],
  ])('is asked for with 100 Continue: %s', async (_what, wants, beginning) => {
    const port = await site.serve(async ({ body }, response) => {
      const bytes = wants ? await collect(body, 100) : '';
      response.answer(200, [], `got ${bytes}`);
    });
    const client = await site.client(port);

    client.say(post('Content-Length: 2\r\nExpect: 100-continue\r\n'));
    if (wants) {
      await client.hear('Continue');
      client.say('ok');
    }

    expect((await client.hear(wants ? 'got ok' : 'got ')).startsWith(beginning)).toBe(true);
    // Nobody knows whether the body still comes, so the connection cannot go on.
    if (!wants) expect(await client.ended()).toContain('Connection: close\r\n');
  });

  it('that nobody read is skipped when it is short, and the connection goes on', async () => {
    const port = await site.serve(({ target }, response) => response.answer(200, [], target));
    const client = await site.client(port);

    client.say(`${post('Content-Length: 5\r\n', 'abcde')}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`);

    expect(await client.hear('/next')).not.toContain('Connection: close');
  });

  it('that nobody read ends the connection when it is long, and the client still gets its response', async () => {
    const port = await site.serve((_request, response) => response.answer(413, [], 'too large'));
    const client = await site.client(port);

    client.say(post('Content-Length: 10000000\r\n', 'x'.repeat(1_000_000)));

    expect(await client.ended()).toMatch(/Connection: close\r\n\r\ntoo large$/);
  });

  it('waits in the network while the handler does not take it', async () => {
    let sink: BodySink | undefined;
    let received = 0;
    const port = await site.serve(({ body }) => {
      sink = {
        write: (piece) => {
          received += piece.length;
        },
        flush: () => false,
        end: () => undefined,
        fail: () => undefined,
      };
      body.flow(sink);
    });
    const client = await site.client(port);

    client.say(post('Content-Length: 50000000\r\n'));
    client.socket.write(Buffer.alloc(50_000_000));

    await expect.poll(() => received).toBeGreaterThan(0);
    await expect.poll(() => client.socket.writableLength).toBeGreaterThan(10_000_000);
    expect(received).toBeLessThanOrEqual(65_536);
  });

  it('fails when the client goes, and the handler hears that nobody waits', async () => {
    const heard: string[] = [];
    const port = await site.serve((request) => {
      request.onAbandoned(() => void heard.push('abandoned'));
      collect(request.body, 1_000).catch((error: Error) => void heard.push(error.message));
    });
    const client = await site.client(port);
    client.say(post('Content-Length: 10\r\n', 'half'));

    client.socket.resetAndDestroy();

    await expect.poll(() => heard.toSorted()).toEqual(['The client ended the connection.', 'abandoned']);
  });

  it('larger than its reader takes is refused', async () => {
    const port = await site.serve(async ({ body }, response) => {
      await collect(body, 3).catch((error: Error) => response.answer(413, [], error.message));
    });

    const chunked = post('Transfer-Encoding: chunked\r\nConnection: close\r\n', '4\r\nfour\r\n0\r\n\r\n');

    expect(await site.exchange(port, chunked)).toMatch(/^HTTP\/1\.1 413 .*larger than 3 bytes\.$/s);
  });
});

describe('a client that is slow', () => {
  it('is let go when it is silent', async () => {
    const port = await site.serve(() => undefined, { keepAliveMs: 20 });

    expect(await (await site.client(port)).ended()).toBe('');
  });

  it.each([
    ['its head', 'GET / HT', { headMs: 20 }],
    ['its body', post('Content-Length: 10\r\n', 'half'), { idleMs: 20 }],
  ])('is answered 408 when it stops in %s', async (_where, bytes, limits) => {
    const port = await site.serve(({ body }) => void collect(body, 100).catch(() => undefined), limits);

    expect(await site.exchange(port, bytes)).toMatch(/^HTTP\/1\.1 408 .*Connection: close\r\n/s);
  });

  it('gets no more time for its head by sending it byte by byte', async () => {
    const port = await site.serve(() => undefined, { headMs: 50 });
    const client = await site.client(port);
    const drip = setInterval(() => client.say('x'), 5);

    expect(await client.ended()).toMatch(/^HTTP\/1\.1 4(?:00|08) /);
    clearInterval(drip);
  });

  it('is cut when it does not read its response', async () => {
    let isClosed = false;
    const port = await site.listen((socket) => {
      socket.on('close', () => {
        isClosed = true;
      });
      const body = new WholeBody(Buffer.alloc(50_000_000));
      serveHttp(socket, {
        handler: (_request, response) => response.send({ status: 200, fields: [] }, body),
        limits: { idleMs: 50 },
      });
    });
    const client = await site.client(port);
    client.socket.pause();
    client.say(get());

    await expect.poll(() => isClosed).toBe(true);
  });
});

describe('a client that sends requests and reads no responses', () => {
  it('has few of them served', async () => {
    let served = 0;
    const body = Buffer.alloc(100_000);
    const port = await site.serve((_request, response) => {
      served += 1;
      response.answer(200, [], body);
    });
    const client = await site.client(port);
    client.socket.pause();

    client.say(get().repeat(2_000));

    await expect.poll(() => served).toBeGreaterThan(0);
    await expect.poll(() => client.socket.writableLength).toBe(0);
    expect(served).toBeLessThan(200);
  });
});

describe('a connection that has to end', () => {
  it('answers the request in hand first, and says that it ends', async () => {
    const connections: { finish: () => void }[] = [];
    const answers: (() => void)[] = [];
    const port = await site.listen((socket) => {
      const handler = (_request: unknown, response: { answer: (status: number, fields: [], body: string) => void }) =>
        void answers.push(() => response.answer(200, [], 'done'));
      connections.push(serveHttp(socket, { handler }));
    });
    const client = await site.client(port);
    client.say(get());
    await expect.poll(() => answers.length).toBe(1);

    connections[0]?.finish();
    answers[0]?.();

    expect(await client.ended()).toMatch(/Connection: close\r\n\r\ndone$/);
  });

  it('ends at once when it is idle', async () => {
    const connections: { finish: () => void }[] = [];
    const port = await site.listen((socket) => void connections.push(serveHttp(socket, { handler: () => undefined })));
    const client = await site.client(port);
    await expect.poll(() => connections.length).toBe(1);

    connections[0]?.finish();

    expect(await client.ended()).toBe('');
  });
});

describe('a switch of protocols', () => {
  it('gives the handler the connection, with what came behind the request', async () => {
    const port = await site.serve(({ upgrade }, response) => {
      const { socket, head } = response.switchProtocols(['Upgrade', upgrade ?? '', 'Connection', 'Upgrade']);
      socket.end(`echo ${head}`);
    });

    const heard = await site.exchange(port, `${get('Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n')}early`);

    expect(heard).toBe(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\necho early',
    );
  });

  it.each([
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
    ['a Connection that does not name it', get('Connection: close\r\nUpgrade: websocket\r\n')],
  ])('is not offered with %s', async (_what, request) => {
    const port = await site.serve(({ upgrade }, response) => response.answer(200, [], `upgrade ${upgrade}`));

    expect(await site.exchange(port, request)).toMatch(/upgrade undefined$/);
  });
});
