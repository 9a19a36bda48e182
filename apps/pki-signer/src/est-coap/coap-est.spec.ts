import { randomBytes } from 'node:crypto';
import type { CoapClient } from '@sallyport/coap-wire/testing';
import { Problem } from '@sallyport/protocol';
import {
  buildCertificateRequest,
  decodeCertsOnly,
  encodeCsrAttributes,
  parseCertificate,
  verifySignedBy,
} from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { csrFor, enrolmentOf, newKey } from '../signer.fixture.js';
import { connectTo, openCoapEst } from './coap-est.fixture.js';

const pkcs10 = 286;
const name = 'uuid:b5a2a42e-b285-42f1-a36b-034c8fc8efd5';

const login = (client: CoapClient, user: string, token: string) =>
  client.ask('/authz-info', { method: 'POST', contentFormat: 0, payload: Buffer.from(`${user}:${token}`) });

const send = (client: CoapClient, resource: string, csr: Buffer, accept?: number) =>
  client.ask(`/.well-known/est/${resource}`, {
    method: 'POST',
    contentFormat: pkcs10,
    payload: csr,
    ...(accept === undefined ? {} : { accept }),
  });

const textOf = ({ payload = Buffer.alloc(0) }: { readonly payload?: Buffer }) => payload.toString('utf8');
const certificatesIn = ({ payload = Buffer.alloc(0) }: { readonly payload?: Buffer }) =>
  decodeCertsOnly(payload).map(parseCertificate);

describe('EST over CoAP (RFC 9148)', () => {
  it('tells what there is, in links', async () => {
    await using entrance = await openCoapEst();
    await using client = await connectTo(entrance);
    const all = await client.ask('/.well-known/core');
    expect([all.code, all.contentFormat]).toEqual(['2.05', 40]);
    expect(textOf(all)).toBe(
      [
        '</.well-known/est/crts>;rt="ace.est.crts";ct="281 287";title="CA certificates"',
        '</.well-known/est/sen>;rt="ace.est.sen";ct="281 287";title="enrolment"',
        '</.well-known/est/sren>;rt="ace.est.sren";ct="281 287";title="renewal"',
        '</.well-known/est/att>;rt="ace.est.att";ct="285";title="what a request may ask for"',
        '</authz-info>;rt="ace.ai";title="device id and one-time token"',
      ].join(','),
    );
  });

  it.each([
    ['rt=ace.est*', 4],
    ['rt=ace.est.sen', 1],
    ['ct=281', 3],
    ['href=/authz-info', 1],
    ['rt=none', 0],
    ['x=y', 0],
  ])('answers a discovery of %s with %i links (RFC 6690 §4.1)', async (query, count) => {
    await using entrance = await openCoapEst();
    await using client = await connectTo(entrance);
    const found = textOf(await client.ask('/.well-known/core', { query: [query] }));
    expect(found.match(/rt="/g) ?? []).toHaveLength(count);
  });

  it('hands out the CAs of the site to a client that nobody knows', async () => {
    await using entrance = await openCoapEst();
    await using client = await connectTo(entrance);
    const reply = await client.ask('/.well-known/est/crts');
    expect([reply.code, reply.contentFormat]).toEqual(['2.05', 281]);
    expect(certificatesIn(reply).map(({ subject }) => subject.text)).toEqual([
      'CN=Test Site Root G1,O=Test Site',
      'CN=Test Site Device Issuing G1,O=Test Site',
      'CN=Test Site Service Issuing G1,O=Test Site',
    ]);
    const alone = await client.ask('/.well-known/est/crts', { accept: 287 });
    expect(parseCertificate(alone.payload ?? Buffer.alloc(0)).subject.text).toBe('CN=Test Site Root G1,O=Test Site');
  });

  it('says what a request should hold', async () => {
    await using entrance = await openCoapEst();
    await using client = await connectTo(entrance);
    const { code, contentFormat, payload } = await client.ask('/.well-known/est/att');
    expect([code, contentFormat]).toEqual(['2.05', 285]);
    expect(payload).toEqual(encodeCsrAttributes({ curve: 'P-256', signatureAlgorithm: 'ecdsa-with-SHA256' }));
  });

  it('enrols an OCF device with a one-time token', async () => {
    await using entrance = await openCoapEst();
    const token = await entrance.site.token({ deviceId: name });
    await using client = await connectTo(entrance);
    expect((await login(client, name, token)).code).toBe('2.01');
    const csr = csrFor(name);
    const reply = await send(client, 'sen', csr);
    expect([reply.code, reply.contentFormat]).toEqual(['2.04', 281]);
    const [leaf, ...others] = certificatesIn(reply);
    expect([leaf?.subject.commonNames, others]).toEqual([[name], []]);
    expect(leaf?.extendedKeyUsages).toContain('1.3.6.1.4.1.44924.1.6');
    const issuing = entrance.site.signer.hierarchy.signing('device').certificate;
    expect(leaf !== undefined && verifySignedBy(leaf, issuing)).toBe(true);
    const { rows } = await entrance.site.signer.audit.page({ after: 0, limit: 100 });
    expect(rows.at(-1)).toMatchObject({ action: 'certificate-issued', actor: `device:${name}@127.0.0.1` });
  });

  it('gives the certificate alone in DER, or with its issuing CA, to a client that asks for it', async () => {
    await using entrance = await openCoapEst();
    const token = await entrance.site.token({ deviceId: name });
    await using client = await connectTo(entrance);
    await login(client, name, token);
    const csr = csrFor(name);
    const alone = await send(client, 'sen', csr, 287);
    expect([alone.code, alone.contentFormat]).toEqual(['2.04', 287]);
    const leaf = parseCertificate(alone.payload ?? Buffer.alloc(0));
    const chain = certificatesIn(await send(client, 'chain/sen', csr));
    expect(chain.map(({ subject }) => subject.commonNames[0])).toEqual([name, 'Test Site Device Issuing G1']);
    expect(chain[0]?.fingerprint).toBe(leaf.fingerprint);
  });

  it.each([1_152, 300])('serves a client that takes messages of %i bytes, in blocks', async (messageBytes) => {
    await using entrance = await openCoapEst();
    const token = await entrance.site.token({ deviceId: name });
    await using client = await connectTo(entrance, { messageBytes });
    expect(certificatesIn(await client.ask('/.well-known/est/crts'))).toHaveLength(3);
    await login(client, name, token);
    const reply = await send(client, 'sen', csrFor(name));
    expect([reply.code, certificatesIn(reply)[0]?.subject.commonNames]).toEqual(['2.04', [name]]);
  });

  it('renews with the certificate of the connection, for a new key', async () => {
    await using entrance = await openCoapEst();
    const key = newKey();
    const token = await entrance.site.token({ deviceId: name });
    const record = await entrance.site.signer.enrolment.enrol(enrolmentOf(name, token, csrFor(name, key)));
    await using client = await connectTo(entrance, { identity: { record, key } });
    const reply = await send(client, 'sren', csrFor(name));
    expect(reply.code).toBe('2.04');
    const [leaf] = certificatesIn(reply);
    expect(leaf?.subject.commonNames).toEqual([name]);
    expect(leaf?.fingerprint).not.toBe(record.fingerprint);
    const { record: renewed } = await entrance.site.signer.inventory.find(leaf?.fingerprint ?? '');
    expect(renewed.renews).toBe(record.fingerprint);
  });

  it('binds a request to its connection when it holds a channel binding (RFC 9148 §3.1)', async () => {
    await using entrance = await openCoapEst();
    const token = await entrance.site.token({ deviceId: name });
    await using client = await connectTo(entrance);
    await login(client, name, token);
    const challengePassword = randomBytes(32).toString('base64');
    const csr = buildCertificateRequest({ privateKey: newKey(), commonName: name, challengePassword });
    expect((await send(client, 'sen', csr)).code).toBe('4.03');
  });
});

describe('a client of EST over CoAP that gets no certificate', () => {
  it('is told that its token is wrong, and its login is forgotten', async () => {
    await using entrance = await openCoapEst();
    await entrance.site.token({ deviceId: name });
    await using client = await connectTo(entrance);
    await login(client, name, 'WRONG');
    const refused = await send(client, 'sen', csrFor(name));
    expect([refused.code, textOf(refused)]).toEqual([
      '4.01',
      'Device id or one-time password are wrong, or the password is used up.',
    ]);
    const again = await send(client, 'sen', csrFor(name));
    expect([again.code, textOf(again)]).toEqual([
      '4.01',
      'Send DEVICE-ID:TOKEN to /authz-info on this connection first.',
    ]);
  });

  it('cannot use the login of another connection', async () => {
    await using entrance = await openCoapEst();
    const token = await entrance.site.token({ deviceId: name });
    await using first = await connectTo(entrance);
    await login(first, name, token);
    await using second = await connectTo(entrance);
    expect((await send(second, 'sen', csrFor(name))).code).toBe('4.01');
  });

  it('must show a certificate to renew one', async () => {
    await using entrance = await openCoapEst();
    await using client = await connectTo(entrance);
    const refused = await send(client, 'sren', csrFor(name));
    expect([refused.code, textOf(refused)]).toEqual([
      '4.01',
      'Connect with the client certificate that is to be renewed.',
    ]);
  });

  it('is slowed down when it guesses, and is told for how long', async () => {
    await using entrance = await openCoapEst();
    await using client = await connectTo(entrance);
    const codes: string[] = [];
    for (let tries = 0; tries < 8; tries += 1) {
      await login(client, name, 'WRONG');
      const { code, maxAge } = await send(client, 'sen', csrFor(name));
      codes.push(maxAge === undefined ? code : `${code} ${maxAge}`);
    }
    expect(codes).toEqual(['4.01', '4.01', '4.01', '4.01', '4.01', '4.01', '4.29 7', '4.29 7']);
  });

  it('is told to come back when the registry does not answer', async () => {
    await using entrance = await openCoapEst();
    entrance.site.registry.answer = () => Promise.reject(new Error('down'));
    const token = await entrance.site.token({ deviceId: name });
    await using client = await connectTo(entrance);
    await login(client, name, token);
    const { code, maxAge } = await send(client, 'sen', csrFor(name));
    expect([code, maxAge]).toEqual(['5.03', 10]);
    entrance.site.registry.answer = async () => ({ outcome: 'allowed' });
    expect((await send(client, 'sen', csrFor(name))).code).toBe('2.04');
  });

  it.each([
    ['4.00', 'an empty request', Buffer.alloc(0)],
    ['4.00', 'what is no DER', Buffer.from('no request')],
    ['4.03', 'a request for another name', csrFor('uuid:00000000-0000-4000-8000-000000000000')],
  ])('is refused with %s for %s, and the token stays good', async (code, _what, csr) => {
    await using entrance = await openCoapEst();
    const token = await entrance.site.token({ deviceId: name });
    await using client = await connectTo(entrance);
    await login(client, name, token);
    expect((await send(client, 'sen', csr)).code).toBe(code);
    expect((await send(client, 'sen', csrFor(name))).code).toBe('2.04');
  });

  it('does not lose its token for an answer in a format it cannot read', async () => {
    await using entrance = await openCoapEst();
    const token = await entrance.site.token({ deviceId: name });
    await using client = await connectTo(entrance);
    await login(client, name, token);
    const csr = csrFor(name);
    const refused = await send(client, 'sen', csr, 60);
    expect([refused.code, textOf(refused)]).toEqual(['4.06', 'Accept 60: the answer has 281 or 287.']);
    expect((await send(client, 'sen', csr)).code).toBe('2.04');
  });

  it.each([
    ['4.04', 'GET', '/none'],
    ['4.04', 'GET', '/.well-known/est'],
    ['4.04', 'POST', '/.well-known/est/skg'],
    ['4.04', 'GET', '/.well-known/est/none/crts'],
    ['4.04', 'GET', '/.well-known/est/device/chain/crts'],
    ['4.05', 'POST', '/.well-known/est/crts'],
    ['4.05', 'GET', '/.well-known/est/sen'],
    ['4.05', 'GET', '/authz-info'],
    ['4.06', 'GET', '/.well-known/core'],
    ['4.15', 'POST', '/.well-known/est/sen'],
    ['4.15', 'POST', '/authz-info'],
  ] as const)('gets %s for %s %s with content in JSON', async (code, method, path) => {
    await using entrance = await openCoapEst();
    await using client = await connectTo(entrance);
    const accept = path === '/.well-known/core' ? { accept: 50 } : {};
    const reply = await client.ask(path, { method, contentFormat: 50, payload: Buffer.from('{}'), ...accept });
    expect(reply.code).toBe(code);
  });

  it.each(['', 'no colon', 'x'.repeat(300)])('gets 4.00 for the login "%.10s"', async (text) => {
    await using entrance = await openCoapEst();
    await using client = await connectTo(entrance);
    const { code } = await client.ask('/authz-info', { method: 'POST', payload: Buffer.from(text) });
    expect(code).toBe('4.00');
  });

  it('may accept any format for the login, whose answer has no content', async () => {
    await using entrance = await openCoapEst();
    await using client = await connectTo(entrance);
    const reply = await client.ask('/authz-info', {
      method: 'POST',
      accept: 50,
      payload: Buffer.from(`${name}:token`),
    });
    expect(reply.code).toBe('2.01');
  });

  it('gets a correlation id for a fault inside, and nothing else', async () => {
    await using entrance = await openCoapEst();
    entrance.site.registry.answer = () => Promise.reject(new Problem('conflict', 'of the store'));
    const token = await entrance.site.token({ deviceId: name });
    await using client = await connectTo(entrance);
    await login(client, name, token);
    const reply = await send(client, 'sen', csrFor(name));
    expect(reply.code).toBe('5.03');
    expect(textOf(reply)).not.toContain('of the store');
    expect(entrance.logged.join('')).not.toContain(token.slice(0, 24));
  });
});

describe('a connection for EST over CoAP', () => {
  it('ends when no request comes, although the client answers every ping', async () => {
    await using entrance = await openCoapEst({ idleMs: 50 });
    await using client = await connectTo(entrance);
    expect(await client.ended).toBe('released-by-peer');
  });

  it('counts its requests by resource and code', async () => {
    await using entrance = await openCoapEst();
    await using client = await connectTo(entrance);
    await client.ask('/.well-known/est/crts');
    await client.ask('/none');
    const { values } = await entrance.site.signer.metrics.estRequests.get();
    expect(values.map(({ labels, value }) => [labels['op'], labels['code'], labels['ua'], value])).toEqual([
      ['crts', '2.05', 'coap', 1],
      ['none', '4.04', 'coap', 1],
    ]);
  });
});
