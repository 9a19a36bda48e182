import { generateKeyPairSync } from 'node:crypto';
import { connect } from 'node:net';
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type Forged, forgeCa, forgeDevice } from './fixtures/forge.js';
import { get, identity, mutual, Site } from './fixtures/site.js';
import { HandshakeBudget } from './handshake-budget.js';

const site = new Site(onTestFinished);

/** A chain that leads nowhere, each certificate signed by the next. */
function longChain(certificates: number) {
  const keys = generateKeyPairSync('ec', { namedCurve: 'sect571r1' });
  const cas: Forged[] = [];
  for (let depth = certificates; depth > 0; depth -= 1) {
    const issuer = cas[0];
    cas.unshift(forgeCa(`c${depth}`, { keys, ...(issuer === undefined ? {} : { issuer }) }));
  }
  const [issuer = forgeCa('none')] = cas;
  return identity(forgeDevice('dev-1', issuer), ...cas);
}

/** Sends its handshake up to its certificates, and then nothing more. */
async function unfinished(port: number, chain: ConnectionOptions) {
  const raw = connect({ port, host: '127.0.0.1' });
  onTestFinished(() => void raw.destroy());
  const flights: Buffer[] = [];
  const half = new Duplex({
    read: () => undefined,
    write: (flight: Buffer, _encoding, done) => {
      flights.push(flight);
      if (flights.length === 1) raw.write(flight);
      done();
    },
  });
  raw.on('data', (bytes) => half.push(bytes));
  connectTls({ socket: half, rejectUnauthorized: false, ...chain }).on('error', () => undefined);
  await expect.poll(() => flights.length).toBeGreaterThan(1);
  return { raw, goOn: () => raw.write(withoutEnd(Buffer.concat(flights.slice(1)))) };
}

/** TLS records but the last two: those with the proof of the key and the end of the handshake. */
function withoutEnd(records: Buffer): Buffer {
  const starts: number[] = [];
  for (let at = 0; at < records.length; at += 5 + records.readUInt16BE(at + 3)) starts.push(at);
  return records.subarray(0, starts.at(-2));
}

describe('the handshake of a stranger', () => {
  it('ends before OpenSSL has verified a chain of 98 certificates', async () => {
    const { port, firstRefusal, listener } = await site.openListener(mutual([forgeCa('fleet')]));

    await expect(get(`https://127.0.0.1:${port}/`, longChain(98))).rejects.toThrow();

    expect(await firstRefusal).toMatchObject({
      reason: 'chain-too-long',
      detail: 'the client sent more than a handshake may have',
    });
    expect(listener.counters.handshakes).toBe(0);
  });

  it('that cost much is the last one of its network for a while, and others are not concerned', async () => {
    const ca = forgeCa('fleet');
    const { port, refusals } = await site.openListener(mutual([ca]), { host: '0.0.0.0' });
    const chain = longChain(20);
    const from = (localAddress: string) => connect({ port, host: '127.0.0.1', localAddress });

    for (const _ of [1, 2, 3, 4])
      await get(`https://127.0.0.1:${port}/`, { ...chain, socket: from('127.0.0.2') }).catch(() => undefined);

    expect(refusals.at(-1)?.reason).toBe('handshakes-too-costly');
    const device = identity(forgeDevice('dev-1', ca));
    expect((await get(`https://127.0.0.1:${port}/a`, { ...device, socket: from('127.0.0.3') })).status).toBe(200);
  });

  it('that stops after its chain keeps others of its network from making OpenSSL work on theirs', async () => {
    const { port, refusals } = await site.openListener(mutual([forgeCa('fleet')]), {
      limits: { handshakeMs: 600_000 },
    });
    const chain = longChain(24);
    const stopped = await Promise.all(Array.from({ length: 8 }, () => unfinished(port, chain)));

    for (const { goOn } of stopped) goOn();

    await expect.poll(() => refusals[0]?.reason, { timeout: 20_000 }).toBe('handshakes-too-costly');
  });

  it('may bring its first request along, however large', async () => {
    const ca = forgeCa('fleet');
    const received = Promise.withResolvers<number>();
    const { port } = await site.openListener(mutual([ca]), {
      handler: {
        http: (request) => {
          let bytes = 0;
          request.on('data', ({ length }) => {
            bytes += length;
          });
          request.on('end', () => received.resolve(bytes));
        },
      },
    });
    const socket = await site.openTls(port, identity(forgeDevice('dev-1', ca)));
    socket.write('PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n');
    socket.write(Buffer.alloc(3_000_000));

    expect(await received.promise).toBe(3_000_000);
  });
});

describe('what failed handshakes cost their network', () => {
  function open() {
    let nowMs = 0;
    const budget = new HandshakeBudget(() => nowMs);
    const wait = (ms: number) => {
      nowMs += ms;
    };
    return { budget, wait };
  }

  it('is nothing for the usual ones, however many', () => {
    const { budget } = open();
    for (let count = 0; count < 10_000; count += 1) budget.charge('192.0.2.1', 3);
    expect(budget.termsFor('192.0.2.1')).toBe('metered');
  });

  it('shuts it out once it is spent, until time has paid for it', () => {
    const { budget, wait } = open();
    budget.charge('2001:db8::1', 103);
    expect(budget.termsFor('2001:db8::2')).toBe('refused');
    wait(4_900);
    expect(budget.termsFor('2001:db8::2')).toBe('refused');
    wait(200);
    expect(budget.termsFor('2001:db8::2')).toBe('metered');
  });

  it('makes strangers be metered closely while all of them have spent too much', () => {
    const { budget, wait } = open();
    for (let host = 0; host < 10; host += 1) budget.charge(`192.0.2.${host}`, 33);
    expect(budget.termsFor('198.51.100.1')).toBe('metered-closely');
    wait(10_000);
    expect(budget.termsFor('198.51.100.1')).toBe('metered');
  });

  it('counts while a handshake goes on, for the others of the network, and no more once it is over', () => {
    const { budget } = open();
    budget.hold('192.0.2.1', 60);
    expect([budget.isSpent('192.0.2.1', 0), budget.isSpent('192.0.2.1', 60)]).toEqual([true, false]);
    budget.giveBack('192.0.2.1', 60);
    expect(budget.isSpent('192.0.2.1', 0)).toBe(false);
    expect(budget.termsFor('192.0.2.1')).toBe('metered');
  });

  it('is measured for a network that has proved itself too, beyond sixteen handshakes at once', () => {
    const { budget } = open();
    budget.prove('192.0.2.1');
    for (let count = 0; count < 16; count += 1) budget.beginDirect('192.0.2.1');
    expect(budget.termsFor('192.0.2.1')).toBe('metered');
    budget.endDirect('192.0.2.1');
    expect(budget.termsFor('192.0.2.1')).toBe('direct');
  });

  it('does not concern a network that has proved itself, until it costs much itself', () => {
    const { budget, wait } = open();
    budget.prove('192.0.2.1');
    expect(budget.termsFor('192.0.2.1')).toBe('direct');
    budget.charge('192.0.2.1', 20);
    expect(budget.termsFor('192.0.2.1')).toBe('metered');
    wait(600_000);
    expect(budget.termsFor('192.0.2.1')).toBe('direct');
  });
});
