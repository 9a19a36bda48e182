import { writeFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import { mustRun, TestCa } from '@sallyport/testkit';
import { buildCertificateRequest, decodeCertsOnly, parseCertificate, pemFromDer } from '@sallyport/x509';
import { describe, expect, it } from 'vitest';
import { csrFor, newKey } from '../signer.fixture.js';
import { ask, basic, type OpenEstEntrance, openEstEntrance, post } from './est-entrance.fixture.js';

const enrolPath = '/.well-known/est/simpleenroll';
const renewPath = '/.well-known/est/simplereenroll';

const certificatesIn = (body: string) => decodeCertsOnly(Buffer.from(body, 'base64')).map(parseCertificate);

const enrolled = async (entrance: OpenEstEntrance, name = 'child01') => {
  const key = newKey();
  const token = await entrance.site.token({ deviceId: name });
  const { body } = await ask(entrance, enrolPath, post(name, token, csrFor(name, key).toString('base64')));
  const cert = certificatesIn(body)
    .map(({ der }) => pemFromDer('CERTIFICATE', der))
    .join('');
  return { cert, key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), body };
};

describe('EST cacerts (RFC 7030 §4.1)', () => {
  it('gives root and issuing CAs to anybody', async () => {
    await using entrance = await openEstEntrance();
    const { status, headers, body } = await ask(entrance, '/.well-known/est/cacerts');
    expect([status, headers['content-type']]).toEqual([200, 'application/pkcs7-mime; smime-type=certs-only']);
    expect(headers['content-transfer-encoding']).toBe('base64');
    expect(certificatesIn(body).map(({ subject }) => subject.text)).toEqual([
      'CN=Test Site Root G1,O=Test Site',
      'CN=Test Site Device Issuing G1,O=Test Site',
      'CN=Test Site Service Issuing G1,O=Test Site',
    ]);
  });

  it('holds what lies between an imported CA and its root, so that a client can build its chain', async () => {
    await using entrance = await openEstEntrance();
    const dates = { notAfter: new Date('2045-01-01T00:00:00Z') };
    await using root = await TestCa.create({ ...dates, commonName: 'Acme Root' });
    await using middle = await root.intermediate({ ...dates, commonName: 'Acme Middle' });
    await using issuing = await middle.intermediate({ ...dates, commonName: 'Acme Devices' });
    const pem = [issuing.certificate.certPem, issuing.certificate.keyPem, middle.certPem, root.certPem].join('');
    const bundle = Buffer.from(pem).toString('base64');
    await entrance.site.signer.importer.import({ purpose: 'device', bundle }, 'admin');
    const { cert } = await enrolled(entrance);
    const { body } = await ask(entrance, '/.well-known/est/cacerts');
    const published = certificatesIn(body).map(({ der }) => pemFromDer('CERTIFICATE', der));
    await writeFile(entrance.file('leaf.pem'), cert);
    await writeFile(entrance.file('published.pem'), published.join(''));
    const files = ['-CAfile', root.certPath, '-untrusted', entrance.file('published.pem'), entrance.file('leaf.pem')];
    expect(await mustRun('openssl', ['verify', ...files])).toContain('leaf.pem: OK');
  });

  it('is one line of base64 and a line feed for a client without a name, never chunked', async () => {
    await using entrance = await openEstEntrance();
    const { headers, body } = await ask(entrance, '/.well-known/est/cacerts');
    expect(body).toMatch(/^[A-Za-z0-9+/]{1000,}={0,2}\n$/);
    expect(headers['content-length']).toBe(String(body.length));
    expect(headers['transfer-encoding']).toBeUndefined();
  });

  it.each(['libest 3.2.0p', 'curl/7.88.1', 'Wget/1.21.3'])('is wrapped at 64 columns for %s', async (name) => {
    await using entrance = await openEstEntrance();
    const { body } = await ask(entrance, '/.well-known/est/cacerts', { headers: { 'user-agent': name } });
    const lines = body.trimEnd().split('\n');
    expect(new Set(lines.slice(0, -1).map(({ length }) => length))).toEqual(new Set([64]));
    expect(certificatesIn(body)).toHaveLength(3);
  });
});

describe('EST csrattrs (RFC 7030 §4.5)', () => {
  it('asks for a P-256 key and ecdsa-with-SHA256', async () => {
    await using entrance = await openEstEntrance();
    const { status, headers, body } = await ask(entrance, '/.well-known/est/csrattrs');
    expect([status, headers['content-type']]).toEqual([200, 'application/csrattrs']);
    // SEQUENCE { ecPublicKey { P-256 }, ecdsa-with-SHA256 }.
    expect(Buffer.from(body, 'base64').toString('hex')).toBe(
      '3021301506072a8648ce3d020131' + '0a06082a8648ce3d030107' + '06082a8648ce3d040302',
    );
  });
});

describe('EST simple enrolment (RFC 7030 §4.2.1)', () => {
  it('answers with the issued certificate alone (RFC 7030 §4.2.3)', async () => {
    await using entrance = await openEstEntrance();
    const { body } = await enrolled(entrance);
    expect(certificatesIn(body).map(({ subject }) => subject.text)).toEqual(['CN=child01,O=Test Site']);
  });

  const der = csrFor('child01');
  const base64 = der.toString('base64');
  const wrapped = (width: number, end: string) => `${base64.replace(new RegExp(`.{${width}}`, 'g'), `$&${end}`)}${end}`;
  it.each([
    ['one line', base64],
    ['64 columns and LF', wrapped(64, '\n')],
    ['76 columns and CRLF', wrapped(76, '\r\n')],
    ['blanks and tabs', wrapped(10, ' \t')],
    ['PEM armour', pemFromDer('CERTIFICATE REQUEST', der)],
    ['PEM armour of old', pemFromDer('CERTIFICATE REQUEST', der).replaceAll(' CERT', ' NEW CERT')],
    ['PEM armour and CRLF', pemFromDer('CERTIFICATE REQUEST', der).replaceAll('\n', '\r\n')],
  ])('reads a request in %s', async (_form, body) => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    expect((await ask(entrance, enrolPath, post('child01', token, body))).status).toBe(200);
  });

  it('reads a chunked request, whatever its Content-Transfer-Encoding says', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const { headers, ...rest } = post('child01', token, base64);
    const chunked = { ...headers, 'transfer-encoding': 'chunked', 'content-transfer-encoding': '8bit' };
    expect((await ask(entrance, enrolPath, { ...rest, headers: chunked })).status).toBe(200);
  });

  it('enrols a device whose id holds colons, as a MAC address does', async () => {
    await using entrance = await openEstEntrance();
    const name = 'AA:BB:CC:00:11:22';
    const token = await entrance.site.token({ deviceId: name });
    const reply = await ask(entrance, enrolPath, post(name, token, csrFor(name).toString('base64')));
    expect([reply.status, certificatesIn(reply.body)[0]?.subject.text]).toEqual([200, `CN=${name},O=Test Site`]);
  });

  it('takes the profile as a label, and only the right one', async () => {
    await using entrance = await openEstEntrance();
    const request = post('child01', await entrance.site.token({ deviceId: 'child01' }), base64);
    expect((await ask(entrance, '/.well-known/est/service/simpleenroll', request)).status).toBe(403);
    expect((await ask(entrance, '/.well-known/est/device/simpleenroll', request)).status).toBe(200);
  });

  it.each([
    ['not base64', '<html>'],
    ['base64 without its padding', base64.replace(/=+$/, '').slice(0, -1)],
    ['raw DER', der],
    ['an empty body', ''],
    ['base64 of something else', Buffer.from('hello').toString('base64')],
  ])('answers 400 and one line of plain text to %s', async (_case, body) => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const reply = await ask(entrance, enrolPath, post('child01', token, body));
    expect([reply.status, reply.headers['content-type']]).toEqual([400, 'text/plain; charset=utf-8']);
    expect(reply.body).toMatch(/^[^\n]+\n$/);
    expect(reply.headers['content-length']).toBe(String(reply.body.length));
  });

  it.each([
    ['no credentials', {}],
    ['a wrong password', { authorization: basic('child01', 'WRONG') }],
    ['an unknown device', { authorization: basic('child99', 'WRONG') }],
    ['a bearer token', { authorization: 'Bearer abc' }],
    ['credentials that are none', { authorization: 'Basic !!!' }],
  ])('challenges %s', async (_case, headers) => {
    await using entrance = await openEstEntrance();
    await entrance.site.token({ deviceId: 'child01' });
    const options = { method: 'POST', headers: { ...headers, 'content-type': 'application/pkcs10' }, body: base64 };
    const reply = await ask(entrance, enrolPath, options);
    expect([reply.status, reply.headers['www-authenticate']]).toEqual([401, 'Basic realm="est"']);
  });

  it('says the same to an unknown device as to a wrong password', async () => {
    await using entrance = await openEstEntrance();
    await entrance.site.token({ deviceId: 'child01' });
    const [wrong, unknown] = [
      await ask(entrance, enrolPath, post('child01', 'WRONG', base64)),
      await ask(entrance, enrolPath, post('child99', 'WRONG', base64)),
    ];
    const shown = ({ status, body, headers: { date: _date, ...headers } }: typeof wrong) => ({ status, body, headers });
    expect(shown(wrong)).toEqual(shown(unknown));
  });

  it('answers 403 to a CSR for another name', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const csr = csrFor('child02').toString('base64');
    expect((await ask(entrance, enrolPath, post('child01', token, csr))).status).toBe(403);
  });

  it('answers 503 with Retry-After while the device registry is away', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    entrance.site.registry.answer = () => Promise.reject(new Error('deadline'));
    const { status, headers } = await ask(entrance, enrolPath, post('child01', token, base64));
    expect([status, headers['retry-after']]).toEqual([503, '10']);
  });

  it('logs what the operator has to mend, and nothing of what the client has to', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    await ask(entrance, enrolPath, post('child01', 'WRONG', base64));
    await ask(entrance, enrolPath, post('child01', token, 'no CSR'));
    expect(entrance.logged).toEqual([]);
    entrance.site.registry.answer = () => Promise.reject(new Error('deadline'));
    await ask(entrance, enrolPath, post('child01', token, base64));
    expect(entrance.logged.map((line) => JSON.parse(line))).toMatchObject([
      {
        level: 'warn',
        message: 'EST request could not be served',
        reason: expect.stringContaining('The device registry does not answer'),
      },
    ]);
    expect(entrance.logged.join()).not.toContain(token.slice(0, 24));
  });

  it('answers 500 with nothing but a correlation id when something fails inside', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const [entry] = (await entrance.site.store.list('enrolment/')).entries;
    await entrance.site.store.put(entry?.key ?? '', { secret: 'sensitive' });
    const { status, body } = await ask(entrance, enrolPath, post('child01', token, base64));
    expect([status, body]).toEqual([
      500,
      expect.stringMatching(/^Something failed inside. Correlation id [0-9a-f-]{36}.\n$/),
    ]);
  });

  it('answers 429 with Retry-After to a name that was wrong too often', async () => {
    await using entrance = await openEstEntrance();
    for (let tries = 0; tries < 6; tries += 1) await ask(entrance, enrolPath, post('child01', 'WRONG', base64));
    const { status, headers } = await ask(entrance, enrolPath, post('child01', 'WRONG', base64));
    expect([status, headers['retry-after']]).toEqual([429, '7']);
  });
});

describe('EST on the wire', () => {
  it.each([
    ['GET', enrolPath, 'POST'],
    ['PUT', renewPath, 'POST'],
    ['POST', '/.well-known/est/cacerts', 'GET, HEAD'],
  ])('answers 405 to %s %s and says what is allowed', async (method, path, allow) => {
    await using entrance = await openEstEntrance();
    const { status, headers } = await ask(entrance, path, { method });
    expect([status, headers.allow]).toEqual([405, allow]);
  });

  it.each([
    '/',
    '/.well-known/est',
    '/.well-known/est/',
    '/.well-known/est/serverkeygen',
    '/.well-known/est/fullcmc',
    '/.well-known/est/nolabel/cacerts',
    '/.well-known/est/%zz/cacerts',
    '/.well-known/est/device/device/cacerts',
    '/.well-known/est/toString',
    '/.well-known/est/nolabel.chain/cacerts',
    '/c8y/.well-known/est/nolabel/cacerts',
    '/c8y/cacerts',
    '/c8yx/.well-known/est/cacerts',
  ])('answers 404 to %s', async (path) => {
    await using entrance = await openEstEntrance();
    expect((await ask(entrance, path)).status).toBe(404);
  });

  it('answers 415 to a form, as curl sends it unasked', async () => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const { headers, ...rest } = post('child01', token, 'MII=');
    const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded' };
    expect((await ask(entrance, enrolPath, { ...rest, headers: form })).status).toBe(415);
  });

  it.each([
    ['with its length', {}],
    ['chunked', { 'transfer-encoding': 'chunked' }],
  ])('answers 413 to a body over 64 KiB %s, and ends the connection', async (_case, more) => {
    await using entrance = await openEstEntrance();
    const { headers, ...rest } = post('child01', 'x', 'A'.repeat(64 * 1024 + 4));
    const reply = await ask(entrance, enrolPath, { ...rest, headers: { ...headers, ...more } });
    expect([reply.status, reply.headers.connection]).toEqual([413, 'close']);
  });

  it('answers 413 to a client that sends a long chunked body to its end first', async () => {
    await using entrance = await openEstEntrance();
    const { headers, ...rest } = post('child01', 'x', 'A'.repeat(4 * 1024 * 1024));
    const chunked = { ...headers, 'transfer-encoding': 'chunked' };
    expect((await ask(entrance, enrolPath, { ...rest, headers: chunked })).status).toBe(413);
  });

  it('answers HEAD like GET without the body', async () => {
    await using entrance = await openEstEntrance();
    const { status, headers, body } = await ask(entrance, '/.well-known/est/cacerts', { method: 'HEAD' });
    expect([status, body]).toEqual([200, '']);
    expect(Number(headers['content-length'])).toBeGreaterThan(1000);
  });
});

describe('EST renewal (RFC 7030 §4.2.2)', () => {
  it('renews over a connection made with the certificate', async () => {
    await using entrance = await openEstEntrance();
    const { cert, key } = await enrolled(entrance);
    const body = csrFor('child01').toString('base64');
    const headers = { 'content-type': 'application/pkcs10' };
    const reply = await ask(entrance, renewPath, { method: 'POST', headers, body, cert, key });
    expect([reply.status, certificatesIn(reply.body)[0]?.subject.text]).toEqual([200, 'CN=child01,O=Test Site']);
  });

  it('takes the profile as a label, and only the right one', async () => {
    await using entrance = await openEstEntrance();
    const { cert, key } = await enrolled(entrance);
    const request = { method: 'POST', headers: { 'content-type': 'application/pkcs10' }, cert, key };
    const body = csrFor('child01').toString('base64');
    const renew = async (label: string) =>
      (await ask(entrance, `/.well-known/est/${label}/simplereenroll`, { ...request, body })).status;
    expect([await renew('admin'), await renew('device')]).toEqual([403, 200]);
  });

  it('is refused with 401 without a certificate', async () => {
    await using entrance = await openEstEntrance();
    const headers = { 'content-type': 'application/pkcs10' };
    const body = csrFor('child01').toString('base64');
    const { status, headers: answered } = await ask(entrance, renewPath, { method: 'POST', headers, body });
    expect([status, answered['www-authenticate']]).toEqual([401, 'Basic realm="est"']);
  });

  it('is refused with 403 to a revoked certificate', async () => {
    await using entrance = await openEstEntrance();
    const { cert, key, body: issued } = await enrolled(entrance);
    const [leaf] = certificatesIn(issued);
    await entrance.site.signer.revocation.revoke(leaf?.fingerprint ?? '', 'superseded', 'admin');
    const headers = { 'content-type': 'application/pkcs10' };
    const body = csrFor('child01').toString('base64');
    expect((await ask(entrance, renewPath, { method: 'POST', headers, body, cert, key })).status).toBe(403);
  });
});

describe('channel binding (RFC 7030 §3.5)', () => {
  it.each([
    ['TLSv1.2', 'tls-unique'],
    ['TLSv1.3', 'tls-exporter'],
  ] as const)('on %s ties a CSR to its connection by %s', async (version, _name) => {
    await using entrance = await openEstEntrance();
    const token = await entrance.site.token({ deviceId: 'child01' });
    const answer = (challengePassword: (socket: ReturnType<typeof connect>) => string) =>
      new Promise<string>((resolve, reject) => {
        const { port, rootPem: ca } = entrance;
        const versions = { minVersion: version, maxVersion: version };
        const socket = connect({ host: '127.0.0.1', servername: 'localhost', port, ca, ...versions }, () => {
          const names = { commonName: 'child01', challengePassword: challengePassword(socket) };
          const body = buildCertificateRequest({ privateKey: newKey(), ...names }).toString('base64');
          const head = [`POST ${enrolPath} HTTP/1.1`, 'Host: localhost', `Authorization: ${basic('child01', token)}`];
          const tail = ['Content-Type: application/pkcs10', `Content-Length: ${body.length}`, 'Connection: close'];
          socket.write(`${[...head, ...tail].join('\r\n')}\r\n\r\n${body}`);
        });
        let text = '';
        socket.on('data', (chunk: Buffer) => {
          text += chunk.toString('latin1');
        });
        socket.once('error', reject).once('end', () => resolve(text.split('\r\n', 1)[0] ?? ''));
      });
    const none = Buffer.alloc(0);
    const exporter = (socket: ReturnType<typeof connect>) =>
      socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', none).toString('base64');
    const unique = (socket: ReturnType<typeof connect>) => socket.getFinished()?.toString('base64') ?? '';
    expect(await answer(() => 'b3RoZXI=')).toBe('HTTP/1.1 403 Forbidden');
    expect(await answer(version === 'TLSv1.3' ? exporter : unique)).toBe('HTTP/1.1 200 OK');
  });
});
