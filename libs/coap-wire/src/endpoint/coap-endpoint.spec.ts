import { once } from 'node:events';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { TestCa } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CoapResponse } from '../exchange.js';
import { connectCoap } from '../testing.js';
import { CoapEndpoint } from './coap-endpoint.js';

describe('the last answer', () => {
  let ca: TestCa;
  beforeAll(async () => {
    ca = await TestCa.create();
  });
  afterAll(async () => {
    await ca[Symbol.asyncDispose]();
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'is delivered whole before the close in 100 of 100 runs on %s',
    async (version) => {
      const { certPem, keyPem } = await ca.issue({ commonName: 'hub' });
      const server = createTlsServer({ cert: certPem, key: keyPem, minVersion: version, maxVersion: version });
      server.on('secureConnection', (socket: TLSSocket) => {
        new CoapEndpoint(socket, {
          handler: () => ({ code: '4.01', payload: Buffer.alloc(3_000, 'x'), isLast: true }),
        });
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      const delivered: CoapResponse[] = [];
      for (let run = 0; run < 100; run += 1) {
        await using device = await connectCoap({ port, tls: { ca: ca.certPem } });
        const [answer, reason] = await Promise.all([
          device.ask('/oic/rd', { method: 'POST', payload: Buffer.alloc(2_000, 'y') }),
          device.ended,
        ]);
        if (answer.payload?.length === 3_000 && reason === 'peer-closed') delivered.push(answer);
      }
      server.close();
      expect(delivered).toHaveLength(100);
    },
  );
});
