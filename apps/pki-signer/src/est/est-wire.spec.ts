import { RawConnection, type RawResponse } from '@sallyport/testkit';
import {
  buildCertificateRequest,
  decodeCertsOnly,
  parseCertificate,
  pemFromDer,
  verifySignedBy,
} from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { csrFor, newKey } from '../signer.fixture.js';
import { basic, type OpenEstEntrance, openEstEntrance } from './est-entrance.fixture.js';

/** What a client wrote, byte for byte. */
interface Spoken {
  readonly line: string;
  readonly headers: readonly string[];
  readonly body?: string;
  readonly version?: 'TLSv1.2' | 'TLSv1.3';
  readonly identity?: { readonly cert: string; readonly key: string };
}

/** Says it on a connection of its own and reads one answer. */
async function say({ port, rootPem }: OpenEstEntrance, { line, headers, body = '', version, identity }: Spoken) {
  const versions = version === undefined ? {} : { minVersion: version, maxVersion: version };
  const tls = { servername: 'localhost', ca: rootPem, ...versions, ...identity };
  await using connection = await RawConnection.open({ port, tls });
  connection.send(`${[line, ...headers].join('\r\n')}\r\n\r\n${body}`);
  return await connection.response();
}

const subjectsIn = ({ body }: RawResponse) =>
  decodeCertsOnly(Buffer.from(body.toString('latin1'), 'base64'))
    .map(parseCertificate)
    .map(({ subject }) => subject.text);

const leafOnly = ['CN=child01,O=Test Site'];
const withIssuer = [...leafOnly, 'CN=Test Site Device Issuing G1,O=Test Site'];

const wrapped = (text: string, width: number, end: string) =>
  text.replace(new RegExp(`.{1,${width}}`, 'g'), `$&${end}`);

const tokenFor = (entrance: OpenEstEntrance) => entrance.site.token({ deviceId: 'child01' });

/** As reqwest writes it: names in lower case, no User-Agent, any media type. */
const asThinEdge = (
  entrance: OpenEstEntrance,
  path: string,
  body: string,
  authorization: readonly string[] = [],
): Spoken => ({
  line: `POST ${path} HTTP/1.1`,
  headers: [
    ...authorization,
    'content-type: application/pkcs10',
    `content-length: ${body.length}`,
    'accept: */*',
    `host: localhost:${entrance.port}`,
  ],
  body,
  version: 'TLSv1.3',
});

/** The CSR file without its armour lines, its line breaks kept. */
const thinEdgeBody = (csr: Buffer) => wrapped(csr.toString('base64'), 64, '\n');
const thinEdgeNames = { commonName: 'child01', organization: 'Thin Edge', organizationalUnit: 'Device' };

describe('thin-edge.io’s tedge', () => {
  const enrol = async (entrance: OpenEstEntrance) => {
    const privateKey = newKey();
    const body = thinEdgeBody(buildCertificateRequest({ privateKey, ...thinEdgeNames }));
    const login = [`authorization: ${basic('child01', await tokenFor(entrance))}`];
    const answer = await say(entrance, asThinEdge(entrance, '/.well-known/est/simpleenroll', body, login));
    const ders = decodeCertsOnly(Buffer.from(answer.body.toString('latin1').replace(/[\r\n]/g, ''), 'base64'));
    const cert = ders.map((der) => pemFromDer('CERTIFICATE', der)).join('\r\n');
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { answer, ders, identity: { cert, key }, body };
  };

  it('gets the leaf and its issuing CA, which it writes into its certificate file as they come', async () => {
    await using entrance = await openEstEntrance();
    const { answer, ders } = await enrol(entrance);
    expect([answer.status, subjectsIn(answer)]).toEqual([200, withIssuer]);
    const [leaf, issuer] = ders.map(parseCertificate);
    expect(leaf && issuer && verifySignedBy(leaf, issuer)).toBe(true);
  });

  it('renews at the path of the Cumulocity proxy with what it got, and gets a chain again', async () => {
    await using entrance = await openEstEntrance();
    const { identity, body } = await enrol(entrance);
    const path = '/c8y/.well-known/est/simplereenroll';
    const renewal = await say(entrance, { ...asThinEdge(entrance, path, body), identity });
    expect([renewal.status, subjectsIn(renewal)]).toEqual([200, withIssuer]);
  });

  it('is asked for its certificate when it renews there without one', async () => {
    await using entrance = await openEstEntrance();
    const body = thinEdgeBody(csrFor('child01'));
    expect((await say(entrance, asThinEdge(entrance, '/c8y/.well-known/est/simplereenroll', body))).status).toBe(401);
  });
});

describe('GlobalSign’s estclient', () => {
  it('gets exactly one certificate for a chunked request (RFC 7030 §4.2.3)', async () => {
    await using entrance = await openEstEntrance();
    const text = wrapped(csrFor('child01').toString('base64'), 76, '\r\n');
    const answer = await say(entrance, {
      line: 'POST /.well-known/est/simpleenroll HTTP/1.1',
      headers: [
        `Host: localhost:${entrance.port}`,
        'User-Agent: GlobalSign EST Client v1.0.6 github.com/globalsign/est',
        'Transfer-Encoding: chunked',
        'Accept: application/pkcs7-mime',
        `Authorization: ${basic('child01', await tokenFor(entrance))}`,
        'Content-Transfer-Encoding: base64',
        'Content-Type: application/pkcs10',
        'Accept-Encoding: gzip',
      ],
      body: `${text.length.toString(16)}\r\n${text}\r\n0\r\n\r\n`,
    });
    expect([answer.status, subjectsIn(answer)]).toEqual([200, leafOnly]);
  });
});

describe('libest’s estclient', () => {
  const host = (entrance: OpenEstEntrance) => `Host: localhost:${entrance.port}`;

  it('finds the headers it looks for by their exact names, in lines it can read', async () => {
    await using entrance = await openEstEntrance();
    const answer = await say(entrance, {
      line: 'GET /.well-known/est/cacerts HTTP/1.1',
      headers: ['User-Agent: libest 3.2.0p', 'Connection: close', host(entrance), 'Accept: */*'],
      version: 'TLSv1.2',
    });
    expect(answer.headerNames).toEqual(expect.arrayContaining(['Content-Type', 'Content-Length']));
    const lines = answer.body.toString('latin1').trimEnd().split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBe(64);
  });

  it('finds the challenge it waits for before it sends its password', async () => {
    await using entrance = await openEstEntrance();
    const body = wrapped(csrFor('child01').toString('base64'), 64, '\n');
    const spoken = (authorization: readonly string[]): Spoken => ({
      line: 'POST /.well-known/est/simpleenroll HTTP/1.1',
      headers: [
        'User-Agent: libest 3.2.0p',
        'Connection: close',
        host(entrance),
        'Accept: */*',
        ...authorization,
        'Content-Type: application/pkcs10',
        'Content-Transfer-Encoding: base64',
        `Content-Length: ${body.length}`,
      ],
      body,
      version: 'TLSv1.2',
    });
    const challenge = await say(entrance, spoken([]));
    expect([challenge.status, challenge.headerNames]).toEqual([401, expect.arrayContaining(['WWW-Authenticate'])]);
    const answer = await say(entrance, spoken([`Authorization: ${basic('child01', await tokenFor(entrance))}`]));
    expect([answer.status, subjectsIn(answer)]).toEqual([200, leafOnly]);
    expect(answer.headerNames).toEqual(
      expect.arrayContaining(['Content-Type', 'Content-Length', 'Content-Transfer-Encoding']),
    );
  });
});

describe('Bouncy Castle’s ESTService', () => {
  it('gets a challenge without a body, and goes on with one certificate', async () => {
    await using entrance = await openEstEntrance();
    const body = wrapped(csrFor('child01').toString('base64'), 64, '\n');
    const spoken = (authorization: readonly string[]): Spoken => ({
      line: 'POST /.well-known/est/simpleenroll HTTP/1.1',
      headers: [
        'Connection: close',
        `Host: localhost:${entrance.port}`,
        'Content-Transfer-Encoding: base64',
        `Content-Length: ${body.length}`,
        'Content-Type: application/pkcs10',
        ...authorization,
      ],
      body,
    });
    const challenge = await say(entrance, spoken([]));
    expect([challenge.status, challenge.headers['content-length'], challenge.body.length]).toEqual([401, '0', 0]);
    const answer = await say(entrance, spoken([`Authorization: ${basic('child01', await tokenFor(entrance))}`]));
    expect([answer.status, subjectsIn(answer)]).toEqual([200, leafOnly]);
  });
});

describe('strongSwan’s pki', () => {
  it('gets one line of base64, its length announced, and one certificate', async () => {
    await using entrance = await openEstEntrance();
    const body = csrFor('child01').toString('base64');
    const answer = await say(entrance, {
      line: 'POST /.well-known/est/simpleenroll HTTP/1.1',
      headers: [
        `Host: localhost:${entrance.port}`,
        `Authorization: ${basic('child01', await tokenFor(entrance))}`,
        'Content-Type: application/pkcs10',
        `Content-Length: ${body.length}`,
      ],
      body,
      version: 'TLSv1.2',
    });
    expect(answer.body.toString('latin1')).toMatch(/^[A-Za-z0-9+/]+={0,2}\n$/);
    expect([answer.headers['content-length'], subjectsIn(answer)]).toEqual([String(answer.body.length), leafOnly]);
  });
});

describe('a client that needs its issuing CAs beside its certificate', () => {
  const ask = async (entrance: OpenEstEntrance, path: string, headers: readonly string[]) => {
    const body = csrFor('child01').toString('base64');
    return await say(entrance, {
      line: `POST ${path} HTTP/1.1`,
      headers: [
        `Host: localhost:${entrance.port}`,
        'User-Agent: embedded/1.0',
        `Authorization: ${basic('child01', await tokenFor(entrance))}`,
        'Content-Type: application/pkcs10',
        `Content-Length: ${body.length}`,
        ...headers,
      ],
      body,
    });
  };
  const enrolPath = '/.well-known/est/simpleenroll';

  it.each([
    ['the label chain', '/.well-known/est/chain/simpleenroll', []],
    ['the label of its profile and chain', '/.well-known/est/device.chain/simpleenroll', []],
    ['a preference', enrolPath, ['Prefer: certificates=chain']],
    ['a preference among others', enrolPath, ['Prefer: respond-async, wait=10', 'Prefer: Certificates="chain"; x=1']],
  ])('asks for them by %s', async (_way, path, headers) => {
    await using entrance = await openEstEntrance();
    const answer = await ask(entrance, path, headers);
    expect([answer.status, subjectsIn(answer)]).toEqual([200, withIssuer]);
    expect(answer.headers['preference-applied']).toBe('certificates=chain');
  });

  it.each([
    ['no preference', []],
    ['another preference', ['Prefer: certificates=leaf']],
    ['a preference that only looks alike', ['Prefer: certificates=chains, x-certificates=chain']],
    ['any media type, but a name', ['Accept: */*']],
  ])('gets its certificate alone with %s', async (_case, headers) => {
    await using entrance = await openEstEntrance();
    const answer = await ask(entrance, enrolPath, headers);
    expect([answer.status, subjectsIn(answer)]).toEqual([200, leafOnly]);
    expect(answer.headers['preference-applied']).toBeUndefined();
  });

  it.each(['/.well-known/est/service.chain/simpleenroll', '/.well-known/est/.chain/simpleenroll'])(
    'is held to the profile in %s all the same',
    async (path) => {
      await using entrance = await openEstEntrance();
      expect((await ask(entrance, path, [])).status).toBeGreaterThanOrEqual(403);
    },
  );
});

describe('every EST answer', () => {
  const plain = (line: string): Spoken => ({ line, headers: ['Host: localhost'] });
  it.each([
    [200, 'GET /.well-known/est/cacerts HTTP/1.1'],
    [200, 'GET /.well-known/est/csrattrs HTTP/1.1'],
    [401, 'POST /.well-known/est/simpleenroll HTTP/1.1'],
    [404, 'GET /.well-known/est/fullcmc HTTP/1.1'],
    [405, 'GET /.well-known/est/simpleenroll HTTP/1.1'],
  ])('spells the names of its headers as the standards do (%i to %s)', async (status, line) => {
    await using entrance = await openEstEntrance();
    const answer = await say(entrance, plain(line));
    expect(answer.status).toBe(status);
    expect(
      answer.headerNames.filter((name) => !/^(?:[A-Z][a-z]+(?:-[A-Z][a-z]+)*|WWW-Authenticate)$/.test(name)),
    ).toEqual([]);
  });
});
