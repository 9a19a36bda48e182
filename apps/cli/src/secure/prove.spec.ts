import { once } from 'node:events';
import { createServer, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';
import { prove } from './prove.js';

describe('the proof that a listener keeps to level mutual', () => {
  it.each([
    ['http', 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n'],
    ['mqtt', '\u0020\u0002\u0000\u0000'],
  ] as const)(
    'fails for %s when a client without a certificate is left waiting instead of refused',
    async (group, answer) => {
      const authority = new TestAuthority();
      const { certPem: cert, keyPem: key } = authority.issue({
        commonName: 'agent',
        kind: 'service',
        hosts: [{ type: 'dns', value: 'localhost' }],
      });
      const { certPem, keyPem } = authority.issue({ commonName: 'local-client', kind: 'service' });
      const sessions = new Set<TLSSocket>();
      const options = { cert, key, ca: [authority.rootPem], requestCert: true, rejectUnauthorized: false };
      const server = createServer(options, (socket) => {
        sessions.add(socket);
        socket.on('error', () => socket.destroy());
        socket.once('data', () => (socket.authorized ? socket.end(answer, 'latin1') : undefined));
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;

      const outcome = prove({
        group,
        entrance: { name: 'door', group, host: '127.0.0.1', port, level: 'mutual', isOpen: true, sessions: 0 },
        level: 'mutual',
        trust: { kind: 'roots', rootsPem: [authority.rootPem] },
        client: { certPem, keyPem },
        deadlineMs: 300,
      });

      await expect(outcome).rejects.toThrow('a client that should be refused got no answer');
      for (const socket of sessions) socket.destroy();
      server.close();
    },
  );
});
