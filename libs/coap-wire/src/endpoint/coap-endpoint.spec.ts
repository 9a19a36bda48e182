import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { duplexPair } from 'node:stream';
import { createServer as createTlsServer, type Server, type TLSSocket } from 'node:tls';
import { TestCa } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CoapClient, connectCoap } from '../testing.js';
import { CoapEndpoint } from './coap-endpoint.js';

type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

const diagnostic = Buffer.alloc(3_000, 'denied ');
const lastWord = () => ({ code: '4.01', payload: diagnostic, isLast: true }) as const;
const isAddress = (address: AddressInfo | string | null): address is AddressInfo =>
  address !== null && typeof address === 'object';

/** Serves each connection with an endpoint, over mutual TLS. */
async function serve(ca: TestCa, version: TlsVersion): Promise<{ server: Server; port: number }> {
  const { certPem, keyPem } = await ca.issue({ commonName: 'hub' });
  const [cert, key, versions] = [certPem, keyPem, { minVersion: version, maxVersion: version }];
  const server = createTlsServer({ cert, key, ca: ca.certPem, requestCert: true, ...versions });
  server.on('secureConnection', (socket: TLSSocket) => new CoapEndpoint(socket, { handler: lastWord }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return { server, port: isAddress(address) ? address.port : 0 };
}

/** Asks, with so many more requests behind the first. True: the first got its whole answer, and then the end. */
async function isDelivered(device: CoapClient, requestsBehind: number): Promise<boolean> {
  const post = { method: 'POST', payload: Buffer.alloc(20_000, 'y') } as const;
  const answer = device.ask('/oic/rd', post);
  const behind = Array.from({ length: requestsBehind }, () => device.ask('/oic/rd', post).catch(() => undefined));
  const { code, payload } = await answer;
  await Promise.all(behind);
  return code === '4.01' && diagnostic.equals(payload ?? Buffer.alloc(0)) && (await device.ended) === 'peer-closed';
}

describe('the last answer', () => {
  let ca: TestCa;
  beforeAll(async () => {
    ca = await TestCa.create();
  });
  afterAll(async () => {
    await ca[Symbol.asyncDispose]();
  });

  it.each<[TlsVersion, string, number]>([
    ['TLSv1.2', '', 0],
    ['TLSv1.3', '', 0],
    ['TLSv1.2', ' while the peer sends 60 KB more', 3],
    ['TLSv1.3', ' while the peer sends 60 KB more', 3],
  ])('is delivered whole before the close in 100 of 100 runs on %s%s', async (version, _, requestsBehind) => {
    const { server, port } = await serve(ca, version);
    const { certPem: cert, keyPem: key } = await ca.issue({ commonName: 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5' });
    let delivered = 0;
    for (let run = 0; run < 100; run += 1) {
      await using device = await connectCoap({ port, tls: { ca: ca.certPem, cert, key } });
      if (await isDelivered(device, requestsBehind)) delivered += 1;
    }
    server.close();
    expect(delivered).toBe(100);
  });

  it('is followed by the end of the connection, also when the peer does not close its side', async () => {
    const [here, there] = duplexPair();
    const endpoint = new CoapEndpoint(here, { handler: lastWord, limits: { lingerMs: 30 } });
    there.resume();
    there.write(Buffer.from('0102aa', 'hex'));
    expect(await endpoint.ended).toBe('closed-here');
    expect(here.destroyed).toBe(true);
  });
});
