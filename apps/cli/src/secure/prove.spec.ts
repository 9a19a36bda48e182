import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { SecurityLevel } from '@sallyport/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { TestAuthority } from '../fixtures/test-authority.fixture.js';
import { type Proof, prove } from './prove.js';

const notFound = 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n';
const redirect = 'HTTP/1.1 307 Temporary Redirect\r\nlocation: https://localhost/\r\ncontent-length: 0\r\n\r\n';
const forbidden = 'HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n';
const accepted = '\u0020\u0002\u0000\u0000';
const csm = '\u0000\u00e1';
const notAuthorized = '\u0020\u0002\u0000\u0005';

/** What an entrance answers to whom; undefined: no answer. */
interface Behaviour {
  readonly known?: string;
  readonly stranger?: string;
  /** To who speaks no TLS; `close` ends the connection. */
  readonly plain?: string;
}

/** An entrance with fixed answers, and one client that its CA issued. */
async function door(behaviour: Behaviour, authority = new TestAuthority(), address = '127.0.0.1') {
  const { certPem: cert, keyPem: key } = authority.issue({
    commonName: 'agent',
    kind: 'service',
    hosts: [{ type: 'dns', value: 'localhost' }],
  });
  const options = { cert, key, ca: [authority.rootPem], requestCert: true, rejectUnauthorized: false };
  // Never listens itself: it is handed the connections that begin with a ClientHello.
  const secured = createTlsServer(options, (socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => answer(socket, socket.authorized ? behaviour.known : behaviour.stranger));
  });
  const answerPlain = (socket: Socket) =>
    behaviour.plain === 'close' ? socket.destroy() : answer(socket, behaviour.plain);
  const onFirst = (socket: Socket, first: Buffer) =>
    first[0] === 0x16 ? secured.emit('connection', socket) : answerPlain(socket);
  const port = await listen(onFirst, address);
  const { certPem, keyPem } = authority.issue({ commonName: 'local-client', kind: 'service' });
  return { port, authority, client: { certPem, keyPem } };
}

async function listen(onFirst: (socket: Socket, first: Buffer) => unknown, listening: string): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('data', (first) => {
      socket.pause();
      socket.unshift(first);
      onFirst(socket, first);
    });
  });
  server.listen(0, listening);
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function answer(socket: Socket, text: string | undefined): void {
  socket.resume();
  if (text !== undefined) socket.end(text, 'latin1');
}

function proofOf(
  protocol: Proof['protocol'],
  level: SecurityLevel,
  { port, authority, client }: Awaited<ReturnType<typeof door>>,
  host = '127.0.0.1',
): Promise<string> {
  return prove({
    protocol,
    entrance: { name: 'door', group: 'http', host, port, level, isOpen: true, sessions: 0 },
    level,
    trust: { kind: 'roots', rootsPem: [authority.rootPem] },
    client,
    deadlineMs: 400,
    settlingMs: 0,
  });
}

describe('the proof of a level', () => {
  it.each([
    ['server', 'http', '::1', { stranger: notFound, plain: redirect }],
    ['server', 'mqtt', '127.0.0.1', { stranger: accepted, plain: 'close' }],
    ['plain', 'mqtt', '::1', { plain: accepted }],
  ] as const)('finds an entrance (%s, %s) on localhost that has only %s', async (level, group, address, behaviour) => {
    const only = await door(behaviour, new TestAuthority(), address);
    await expect(proofOf(group, level, only, 'localhost')).resolves.toEqual(expect.any(String));
  });

  it('says why localhost cannot be reached, which has two addresses', async () => {
    const absent = { ...(await door({})), port: 1 };
    await expect(proofOf('mqtt', 'plain', absent, 'localhost')).rejects.toThrow('saw: ECONNREFUSED');
  });

  it.each([
    ['mutual', 'http', { known: notFound, plain: redirect }],
    ['mutual', 'mqtt', { known: accepted, plain: 'close' }],
    ['mutual', 'coap', { known: csm, plain: 'close' }],
  ] as const)(
    'fails at %s for %s when a stranger is left waiting instead of refused',
    async (level, group, behaviour) => {
      await expect(proofOf(group, level, await door(behaviour))).rejects.toThrow(
        'a client that should be refused got no answer',
      );
    },
  );

  it.each([
    ['mutual', 'http', 'a stranger is let in', { known: notFound, stranger: notFound, plain: redirect }, 'let in'],
    ['mutual', 'coap', 'a stranger is let in', { known: csm, stranger: csm, plain: 'close' }, 'let in'],
    ['plain', 'coap', 'it speaks something else', { plain: notFound }, 'the answer is not CoAP'],
    ['mutual', 'mqtt', 'a stranger is let in', { known: accepted, stranger: accepted, plain: 'close' }, 'let in'],
    ['mutual', 'http', 'its own client is refused', { known: forbidden, plain: redirect }, 'HTTP 403'],
    ['mutual', 'mqtt', 'its own client is refused', { known: notAuthorized, plain: 'close' }, 'return code 5'],
    ['server', 'http', 'plain HTTP is answered', { stranger: notFound, plain: notFound }, 'answered with status 404'],
    ['server', 'http', 'plain HTTP is left waiting', { stranger: notFound }, 'no answer in time'],
    [
      'server',
      'mqtt',
      'a client without TLS is let in',
      { stranger: accepted, plain: accepted },
      'without TLS was let in',
    ],
    ['plain', 'http', 'it still redirects', { plain: redirect }, 'still redirects to https'],
    ['plain', 'mqtt', 'the broker refuses', { plain: notAuthorized }, 'return code 5'],
    ['plain', 'mqtt', 'it is no broker', { plain: notFound }, 'the answer is not MQTT'],
  ] as const)('fails at %s for %s when %s', async (level, group, _, behaviour, reason) => {
    await expect(proofOf(group, level, await door(behaviour))).rejects.toThrow(reason);
  });

  it.each(['http', 'mqtt'] as const)('fails for %s when the certificate is not of this site', async (group) => {
    const stranger = await door({ stranger: group === 'http' ? notFound : accepted });

    await expect(proofOf(group, 'server', { ...stranger, authority: new TestAuthority() })).rejects.toThrow(
      /certificate/,
    );
  });

  it('holds for an entrance that keeps the rules of its level', async () => {
    await expect(proofOf('http', 'server', await door({ stranger: notFound, plain: redirect }))).resolves.toBe(
      'answers over TLS to clients that trust this site; redirects plain HTTP',
    );
  });
});
