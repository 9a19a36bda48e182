import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import type { OutgoingRequest, UpstreamLimits } from './api.js';
import { collect, noBody, WholeBody } from './body.js';
import { UpstreamPool } from './upstream-pool.js';
import { WireSite } from './wire-site.fixture.js';

const site = new WireSite();
afterEach(() => site.close());

const mostBytes = 1_000_000;
const get = (target = '/'): OutgoingRequest => ({ method: 'GET', target, fields: ['Host', 'up'], body: noBody });
const post = (body: string): OutgoingRequest => ({ ...get(), method: 'POST', body: new WholeBody(Buffer.from(body)) });

function poolTo(port: number, limits: Partial<UpstreamLimits> = {}): UpstreamPool {
  const dial = async () => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return socket;
  };
  const pool = new UpstreamPool({ dial, limits });
  onTestFinished(() => pool.close());
  return pool;
}

async function textOf(pool: UpstreamPool, request: OutgoingRequest): Promise<string> {
  const { status, body } = await pool.exchange(request).response;
  return `${status} ${await collect(body, mostBytes)}`;
}

/** Answers each connection with these bytes, as soon as it has sent something. */
const answering = (bytes: string) =>
  site.listen((socket) => void socket.once('data', () => socket.write(bytes, 'latin1')));

describe('a pool of connections to an upstream', () => {
  it('sends requests one after the other on one connection', async () => {
    const port = await site.serve(async ({ method, target, body }, response) => {
      response.answer(200, [], `${method} ${target} ${await collect(body, mostBytes)}`);
    });
    const pool = poolTo(port);

    const said = [await textOf(pool, get('/a')), await textOf(pool, post('b')), await textOf(pool, get('/c'))];

    expect(said).toEqual(['200 GET /a ', '200 POST / b', '200 GET /c ']);
    expect(pool.figures).toMatchObject({ open: 1, idle: 1 });
  });

  it.each([['garbage', 'SSH-2.0-OpenSSH\r\n\r\n', 'response-malformed']])(
    'says what is wrong with %s',
    async (_what, bytes, code) => {
      const pool = poolTo(await answering(bytes));

      await expect(pool.exchange(get()).response).rejects.toMatchObject({ code });
      expect(pool.figures).toMatchObject({ open: 0, idle: 0 });
    },
  );
});
