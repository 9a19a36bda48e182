import { connect } from 'node:net';
import { RawConnection } from '@sallyport/testkit';
import { type HttpHandler, type Limits, SecureListener } from '@sallyport/tls';
import { parseCertificate, parseCrl } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { keyIdOf } from '../authority/authority.js';
import { openTestSite } from '../signer.fixture.js';
import { crlLimits } from './crl-entrance.js';
import { crlHandler } from './crl-handler.js';

/** The listener as the entrance opens it. */
const listenerOf = (http: HttpHandler, limits: Partial<Limits> = crlLimits) =>
  new SecureListener({
    name: 'pki.public',
    host: '127.0.0.1',
    port: 0,
    security: { clientCertificate: 'none' },
    admission: { admit: () => Promise.reject(new Error('nobody is asked')) },
    events: { onRefusal: () => undefined, onWarning: () => undefined },
    handler: { http },
    limits,
  });

async function openCrls() {
  const site = await openTestSite();
  await site.signer.crls.buildDue();
  const listener = listenerOf(crlHandler(site.signer));
  const { port } = await listener.listen();
  const keyId = keyIdOf(site.signer.hierarchy.byId('device-1').certificate);
  return {
    site,
    keyId,
    /** Says these bytes on a connection of its own. */
    say: async (request: string) => {
      await using connection = await RawConnection.open({ port });
      connection.send(request);
      return await connection.response();
    },
    url: (path: string) => `http://127.0.0.1:${port}${path}`,
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      await site[Symbol.asyncDispose]();
    },
  };
}

const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

describe('the entrance to CRLs', () => {
  it('serves the CRL of a CA in DER', async () => {
    await using entrance = await openCrls();
    const response = await fetch(entrance.url(`/crl/${entrance.keyId}.crl`));
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/pkix-crl']);
    expect(response.headers.get('cache-control')).toBe('public, max-age=60');
    expect(parseCrl(await bytesOf(response)).issuer.text).toBe('CN=Test Site Device Issuing G1,O=Test Site');
  });

  it('serves the certificate of a CA in DER', async () => {
    await using entrance = await openCrls();
    const response = await fetch(entrance.url(`/ca/${entrance.keyId}.cer`));
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/pkix-cert']);
    expect(parseCertificate(await bytesOf(response)).isCa).toBe(true);
  });

  it('answers 304 to who has the CRL already, until there is a new one', async () => {
    await using entrance = await openCrls();
    const url = entrance.url(`/crl/${entrance.keyId}.crl`);
    const etag = (await fetch(url)).headers.get('etag') ?? '';
    for (const known of [`"other", W/${etag}`, '*'])
      expect((await fetch(url, { headers: { 'if-none-match': known } })).status).toBe(304);
    entrance.site.clock.advance(6 * 3600);
    await entrance.site.signer.crls.buildDue();
    expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(200);
  });

  it('answers HEAD with the length and no body', async () => {
    await using entrance = await openCrls();
    const response = await fetch(entrance.url(`/crl/${entrance.keyId}.crl`), { method: 'HEAD' });
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(200);
    expect(await response.text()).toBe('');
  });

  it.each(['/', '/crl/', '/crl/zz.crl', `/crl/${'0'.repeat(40)}.crl`, '/ca/../../etc/passwd', '/%00'])(
    'answers 404 to %s',
    async (path) => {
      await using entrance = await openCrls();
      expect((await fetch(entrance.url(path))).status).toBe(404);
    },
  );

  it.each(['POST', 'PUT', 'DELETE'])('answers 405 to %s and says what is allowed', async (method) => {
    await using entrance = await openCrls();
    const response = await fetch(entrance.url(`/crl/${entrance.keyId}.crl`), { method });
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it.each([
    ['HTTP/1.1', 'GET http://crl.example/PATH HTTP/1.1\r\nHost: crl.example\r\n\r\n'],
    ['HTTP/1.0', 'GET http://crl.example/PATH HTTP/1.0\r\n\r\n'],
  ])('serves a target in absolute form, as clients behind a proxy write it, in %s', async (_version, request) => {
    await using entrance = await openCrls();
    const { status, headers } = await entrance.say(request.replace('PATH', `crl/${entrance.keyId}.crl`));
    expect([status, headers['content-type']]).toEqual([200, 'application/pkix-crl']);
  });

  it.each([
    ['a target for another host than its Host', 'GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n'],
    ['two Hosts', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
  ])('answers 400 to %s, and closes the connection', async (_case, request) => {
    await using entrance = await openCrls();
    const { status, headers } = await entrance.say(request);
    expect([status, headers['connection']]).toEqual([400, 'close']);
  });

  it.each([
    [200, 'GET /crl/KEYID.crl HTTP/1.1\r\nHost: a\r\n\r\n'],
    [304, 'GET /crl/KEYID.crl HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n'],
    [404, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    [405, 'DELETE / HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('spells the names of its headers as the standards do (%i)', async (expected, request) => {
    await using entrance = await openCrls();
    const { status, headerNames } = await entrance.say(request.replace('KEYID', entrance.keyId));
    expect(status).toBe(expected);
    expect(headerNames.filter((name) => !/^(?:[A-Z][a-z]+(?:-[A-Z][a-z]+)*|ETag)$/.test(name))).toEqual([]);
  });

  it('cuts a connection that asks for a large list and does not read it', async () => {
    const { promise: cut, resolve } = Promise.withResolvers<boolean>();
    // More than what the two sockets hold between them.
    const large = Buffer.alloc(32 * 1024 * 1024);
    const unread: HttpHandler = (_request, response) =>
      response.once('close', () => resolve(response.writableFinished)).end(large);
    const listener = listenerOf(unread, { ...crlLimits, idleMs: 200 });
    const { port } = await listener.listen();
    const socket = connect(port, '127.0.0.1').pause();
    socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await cut).toBe(false);
    socket.destroy();
    await listener.close();
  });

  it('ends a request whose body never comes to an end, however steadily it comes', async () => {
    const patient: HttpHandler = (request) => void request.resume();
    const listener = listenerOf(patient, { ...crlLimits, headersMs: 100, requestMs: 200, headersCheckMs: 20 });
    const { port } = await listener.listen();
    await using connection = await RawConnection.open({ port });
    connection.send('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n');
    const trickle = setInterval(() => connection.send('x'), 20);
    const { status, body } = await connection.response();
    clearInterval(trickle);
    expect(status).toBe(408);
    expect(String(body)).toBe('The request did not come in time.\n');
    await listener.close();
  });
});
