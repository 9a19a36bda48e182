import { once } from 'node:events';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { TestCa, type TestCertificate } from '@sallyport/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type BodySink, collect } from './body.js';
import { endToEndFields } from './hop-by-hop.js';
import { getRequest, PoolSite } from './pool-site.fixture.js';
import { serveHttp } from './server-connection.js';
import { UpstreamPool } from './upstream-pool.js';
import type { Handler } from './wire-site.fixture.js';

let ca: TestCa;
let certificate: TestCertificate;
const site = new PoolSite();
beforeAll(async () => {
  ca = await TestCa.create();
  certificate = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
});
afterEach(() => site.close());
afterAll(() => ca[Symbol.asyncDispose]());

/** An upstream that speaks TLS. @returns its port */
async function serveTls(handler: Handler): Promise<number> {
  const server = createServer({ cert: certificate.certPem, key: certificate.keyPem }, (socket) => {
    site.own(socket);
    serveHttp(socket, { handler, endsWithClient: true });
  });
  server.listen(0, '127.0.0.1');
  site.own({ destroy: () => server.close() });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server has no port.');
  return address.port;
}

function tlsPool(port: number): UpstreamPool {
  const dial = async (): Promise<TLSSocket> => {
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: ca.certPem });
    await once(socket, 'secureConnect');
    return socket;
  };
  const pool = new UpstreamPool({ dial });
  site.own({ destroy: () => pool.close() });
  return pool;
}

/** Plain clients in front, the pool behind: as a proxy does. */
const forwarding =
  (pool: UpstreamPool): Handler =>
  async ({ method, target, fields, body }, response) => {
    const outgoing = {
      method,
      target,
      body,
      fields: ['Host', 'localhost', ...endToEndFields(fields, new Set(['host']))],
    };
    const answer = await pool.exchange(outgoing).response;
    response.send({ status: answer.status, fields: endToEndFields(answer.fields) }, answer.body);
  };

describe('over TLS', () => {
  it('requests and responses pass as over plain connections', async () => {
    const pool = tlsPool(await serveTls(({ target }, response) => response.answer(200, [], target)));

    expect(await site.textOf(pool, getRequest('/a'))).toBe('200 /a');
    expect(await site.textOf(pool, getRequest('/b'))).toBe('200 /b');
    expect(pool.figures.open).toBe(1);
  });

  it.each([undefined, 20_000_000])('a large body passes both ways whole, with the length %s', async (length) => {
    const port = await serveTls(async ({ body }, response) => {
      const bytes = await collect(body, 30_000_000);
      response.answer(200, [], bytes);
    });
    const near = await site.serve(forwarding(tlsPool(port)));
    const bytes = Buffer.alloc(20_000_000, 'sallyport');
    const request = {
      ...getRequest(),
      method: 'PUT',
      body: {
        length,
        isReplayable: false,
        resume: () => undefined,
        cancel: () => undefined,
        flow: (sink: BodySink) => {
          for (let at = 0; at < bytes.length; at += 100_000) sink.write(bytes.subarray(at, at + 100_000));
          sink.end();
        },
      },
    };

    const { body: returned } = await site.poolTo(near).exchange(request).response;

    expect((await collect(returned, 30_000_000)).equals(bytes)).toBe(true);
  });

  it('a client that does not read holds back the upstream', async () => {
    let sent = 0;
    const pieceBytes = 65_536;
    const port = await serveTls((_request, response) => {
      let sink: BodySink | undefined;
      const resume = (): void => {
        do {
          sent += pieceBytes;
          sink?.write(Buffer.alloc(pieceBytes));
        } while (sink?.flush() === true);
      };
      const flow = (given: BodySink): void => {
        sink = given;
        resume();
      };
      response.send(
        { status: 200, fields: [] },
        { length: undefined, isReplayable: false, cancel: () => undefined, resume, flow },
      );
    });
    const client = await site.client(await site.serve(forwarding(tlsPool(port))));
    client.socket.pause();

    client.say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');

    let before = -1;
    await expect.poll(() => sent).toBeGreaterThan(100_000);
    await expect
      .poll(() => {
        const isStill = sent === before;
        before = sent;
        return isStill;
      })
      .toBe(true);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  it('a client that goes ends the exchange with the upstream', async () => {
    const heard: string[] = [];
    const port = await serveTls((request) => {
      heard.push(request.method);
      request.onAbandoned(() => void heard.push('abandoned'));
    });
    const pool = tlsPool(port);
    const near = await site.serve((request, response) => {
      const exchange = pool.exchange(getRequest());
      request.onAbandoned(() => exchange.abort());
      exchange.response.catch(() => response.cut());
    });
    const client = await site.client(near);
    client.say('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await expect.poll(() => heard).toEqual(['GET']);

    client.socket.resetAndDestroy();

    await expect.poll(() => heard).toEqual(['GET', 'abandoned']);
    expect(pool.figures.open).toBe(0);
  });
});
