import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { HandshakeBudget } from './handshake-budget.js';
import { HandshakeCharge } from './handshake-charge.js';
import { defaultLimits } from './limits.js';

const remoteAddress = '192.0.2.7';

/** A connection of a network, seen from the listener. */
async function accepted(): Promise<Socket> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  const client = connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
  const [raw] = await once(server, 'connection');
  for (const end of [client.on('error', () => undefined), raw.on('error', () => undefined)])
    onTestFinished(() => void end.destroy());
  return raw;
}

/** A handshake of which the part after our answer takes so long, and that does not end. */
async function handshake(budget: HandshakeBudget, cpuMs: number): Promise<void> {
  const raw = await accepted();
  let spentMs = 0;
  const charge = HandshakeCharge.begin({
    raw,
    remoteAddress,
    budget,
    limits: defaultLimits,
    cpuClockMs: () => spentMs,
  });
  charge?.meter?.on('data', () => {
    spentMs += cpuMs;
  });
  charge?.meter?.write('our answer');
  // The stream flows from the next turn on.
  await nextTurn();
  raw.emit('data', Buffer.from('a certificate'));
}

describe('handshakes under way at once from one network', () => {
  it('cost it nothing while each takes what is usual: a whole site may come behind one address', async () => {
    const budget = new HandshakeBudget(() => 0);
    for (let count = 0; count < 60; count += 1) await handshake(budget, 3);
    expect(budget.termsFor(remoteAddress)).toBe('metered');
  });

  it('shut it out as soon as one takes as long as a chain of slow keys', async () => {
    const budget = new HandshakeBudget(() => 0);
    await handshake(budget, 70);
    expect(budget.termsFor(remoteAddress)).toBe('refused');
  });
});
