import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { OutgoingRequest, UpstreamLimits } from './api.js';
import { type Body, collect, noBody } from './body.js';
import { UpstreamPool } from './upstream-pool.js';
import { WireSite } from './wire-site.fixture.js';

const mostBytes = 10_000_000;

/** Upstreams on loopback, and pools to them. */
export class PoolSite extends WireSite {
  private readonly pools: UpstreamPool[] = [];

  poolTo(port: number, limits: Partial<UpstreamLimits> = {}): UpstreamPool {
    const pool = new UpstreamPool({ dial: () => this.dial(port), limits });
    this.pools.push(pool);
    return pool;
  }

  async dial(port: number): Promise<Socket> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    return socket;
  }

  /** Answers each connection with these bytes, as soon as it has sent something. @returns the port */
  answering(bytes: string): Promise<number> {
    return this.listen((socket) => void socket.once('data', () => socket.write(bytes, 'latin1')));
  }

  async textOf(pool: UpstreamPool, request: OutgoingRequest): Promise<string> {
    const { status, body } = await pool.exchange(request).response;
    return `${status} ${await received(body)}`;
  }

  override close(): void {
    for (const pool of this.pools.splice(0)) pool.close();
    super.close();
  }
}

export const getRequest = (target = '/'): OutgoingRequest => ({
  method: 'GET',
  target,
  fields: ['Host', 'up'],
  body: noBody,
});

export async function received(body: Body): Promise<string> {
  return (await collect(body, mostBytes)).toString('latin1');
}
