import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Fingerprint, fingerprint } from '@sallyport/protocol';
import { buildCertificateRequest, encodeCertsOnly, parseCertificateRequest } from '@sallyport/x509';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EstClient } from './est-client.js';
import { certsOnly, EstResponder } from './est-responder.fixture.js';
import { TestSite } from './test-site.fixture.js';

const credentials = { username: 'child01', password: 'ABCDEFGH' };

let responder: EstResponder;
let privateKey: KeyObject;
let csr: Buffer;

beforeEach(async () => {
  responder = await EstResponder.start();
  privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  csr = buildCertificateRequest({ privateKey, commonName: 'child01' });
});
afterEach(() => responder.close());

const clientTrusting = (caFingerprint: Fingerprint, options: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
  new EstClient({ url: responder.url, trust: { caFingerprint }, ...options });
const trustingClient = (options: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
  clientTrusting(responder.site.root.fingerprint, options);

describe('first contact by CA fingerprint (RFC 7030 §4.1.1)', () => {
  it('enrols with a server whose root has the expected fingerprint', async () => {
    const [issued] = await trustingClient().simpleEnroll(csr, credentials);

    expect(issued?.subject.commonNames).toEqual(['child01']);
    expect(issued?.spki).toEqual(parseCertificateRequest(csr).spki);
  });

  it('sends no secret to a server with another CA', async () => {
    const other = fingerprint.parse('ab'.repeat(32));

    await expect(clientTrusting(other).simpleEnroll(csr, credentials)).rejects.toMatchObject({
      type: 'certificate-rejected',
      message: expect.stringContaining('nothing secret was sent'),
    });
    expect(responder.operations).toEqual(['cacerts']);
    expect(responder.seen[0]?.headers.authorization).toBeUndefined();
  });

  it('sends no secret to an impostor who shows the right CA certificate and has a key of his own', async () => {
    const impostor = await EstResponder.start(new TestSite('Impostor'));
    impostor.on('cacerts', () => certsOnly([responder.site.root.der]));
    const trust = { caFingerprint: responder.site.root.fingerprint };

    await expect(new EstClient({ url: impostor.url, trust }).simpleEnroll(csr, credentials)).rejects.toMatchObject({
      type: 'certificate-rejected',
    });
    expect(impostor.operations).toEqual(['cacerts']);
    await impostor.close();
  });

  it('refuses a leaf certificate as the CA, even when its fingerprint is the expected one', async () => {
    const leaf = responder.site.issueDevice(csr);
    responder.on('cacerts', () => certsOnly([leaf.der]));

    await expect(clientTrusting(leaf.fingerprint).caCertificates()).rejects.toMatchObject({
      type: 'certificate-rejected',
    });
  });

  it('sends no secret to a server of the right CA under another host name', async () => {
    const { site } = responder;
    const elsewhere = await EstResponder.start(site, site.issueServer([{ type: 'dns', value: 'elsewhere.example' }]));
    const client = new EstClient({ url: elsewhere.url, trust: { caFingerprint: site.root.fingerprint } });

    await expect(client.simpleEnroll(csr, credentials)).rejects.toMatchObject({
      type: 'certificate-rejected',
      message: expect.stringContaining('another host name'),
    });
    expect(elsewhere.operations).toEqual(['cacerts']);
    await elsewhere.close();
  });

  it('sends no secret to a server whose certificate has expired', async () => {
    const { site } = responder;
    const life = { notBefore: new Date(Date.now() - 3_000_000), notAfter: new Date(Date.now() - 60_000) };
    const stale = await EstResponder.start(site, site.issueServer([{ type: 'dns', value: 'localhost' }], life));
    const client = new EstClient({ url: stale.url, trust: { caFingerprint: site.root.fingerprint } });

    await expect(client.simpleEnroll(csr, credentials)).rejects.toMatchObject({
      message: expect.stringContaining('has expired'),
    });
    expect(stale.operations).toEqual(['cacerts']);
    await stale.close();
  });
});

describe('trust by CA file', () => {
  it('refuses a server of another CA before anything is asked', async () => {
    const trust = { rootsPem: [new TestSite('Other').rootPem] };

    await expect(new EstClient({ url: responder.url, trust }).caCertificates()).rejects.toMatchObject({
      type: 'certificate-rejected',
    });
    expect(responder.seen).toEqual([]);
  });

  it('trusts nobody when no root is given', async () => {
    const client = new EstClient({ url: responder.url, trust: { rootsPem: [] } });

    await expect(client.caCertificates()).rejects.toMatchObject({ type: 'certificate-rejected' });
  });
});

describe('the request (RFC 7030 §4.2.1, RFC 8951 §3)', () => {
  it('carries base64 of the CSR on one line, the content type, the transfer encoding and the credentials', async () => {
    await trustingClient().simpleEnroll(csr, credentials);

    const enrol = responder.seen.at(-1);
    expect(enrol?.body).toBe(`${csr.toString('base64')}\n`);
    expect(enrol?.headers).toMatchObject({
      'content-type': 'application/pkcs10',
      'content-transfer-encoding': 'base64',
      authorization: 'Basic Y2hpbGQwMTpBQkNERUZHSA==',
    });
  });

  it('asks for the issuing CAs beside the certificate (RFC 7240)', async () => {
    await trustingClient().simpleEnroll(csr, credentials);

    expect(responder.seen.at(-1)?.headers).toMatchObject({ prefer: 'certificates=chain' });
  });

  it('shows the certificate being renewed, and no password', async () => {
    const certificate = responder.site.issueDevice(csr);
    const certPem = pem(certificate.der) + pem(responder.site.issuing.der);
    const keyPem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

    const [renewed] = await trustingClient().simpleReenroll(csr, { certPem, keyPem });

    expect(renewed?.fingerprint).not.toBe(certificate.fingerprint);
    expect(responder.seen.at(-1)).toMatchObject({ operation: 'simplereenroll', clientName: 'child01' });
    expect(responder.seen.at(-1)?.headers.authorization).toBeUndefined();
  });

  it('keeps the label of a URL that names one', async () => {
    const url = `${responder.url}/.well-known/est/site.device/`;
    const trust = { caFingerprint: responder.site.root.fingerprint };

    await expect(new EstClient({ url, trust }).caCertificates()).resolves.toHaveLength(2);
  });

  it.each([
    'http://localhost:8443',
    'localhost:8443',
    '',
    'https://user:secret@localhost',
    'https://user:p@secret@localhost',
  ])('is not sent to "%s", which is no https address', (url) => {
    const make = () => new EstClient({ url, trust: { rootsPem: [] } });

    expect(make).toThrow(expect.objectContaining({ type: 'invalid-request' }));
    expect(make).not.toThrow('secret');
  });
});

describe('the answer', () => {
  const wrapped = (text: string, columns: number, end: string) =>
    text.replace(new RegExp(`.{${columns}}`, 'g'), `$&${end}`) + end;

  it.each([
    ['one line', (b64: string) => b64],
    ['64 columns with LF', (b64: string) => wrapped(b64, 64, '\n')],
    ['76 columns with CRLF', (b64: string) => wrapped(b64, 76, '\r\n')],
    ['no padding', (b64: string) => b64.replace(/=+$/, '')],
    ['PEM armour', (b64: string) => `-----BEGIN PKCS7-----\n${wrapped(b64, 64, '\n')}-----END PKCS7-----\n`],
    ['plain DER', (b64: string) => Buffer.from(b64, 'base64')],
  ])('is read from %s', async (_, layout) => {
    const b64 = encodeCertsOnly([responder.site.root.der]).toString('base64');
    responder.on('cacerts', () => ({ body: layout(b64) }));

    const [root] = await trustingClient().caCertificates();

    expect(root?.fingerprint).toBe(responder.site.root.fingerprint);
  });

  it('is read from BER of indefinite length, as Cumulocity sends it', async () => {
    responder.on('cacerts', () => ({ body: indefinite([responder.site.root.der]).toString('base64') }));

    const [root] = await trustingClient().caCertificates();

    expect(root?.fingerprint).toBe(responder.site.root.fingerprint);
  });

  it.each([
    ['an HTML page', '<html>hello</html>'],
    ['nothing', ''],
    ['base64 of garbage', Buffer.from('garbage').toString('base64')],
    ['a truncated PKCS#7', Buffer.from('3082ffff06', 'hex')],
    ['a PKCS#7 without certificates', encodeCertsOnly([]).toString('base64')],
  ])('is refused in plain words when it is %s', async (_, body) => {
    responder.on('cacerts', () => ({ body }));

    await expect(trustingClient().caCertificates()).rejects.toMatchObject({ type: 'certificate-rejected' });
  });

  it('is not read past 256 KiB', async () => {
    responder.on('cacerts', () => ({ body: 'A'.repeat(300_000) }));

    await expect(trustingClient().caCertificates()).rejects.toMatchObject({ type: 'too-large' });
  });

  it('is given up when it does not come in time', async () => {
    responder.on('simpleenroll', () => undefined);

    await expect(trustingClient({ timeoutMs: 1_000 }).simpleEnroll(csr, credentials)).rejects.toMatchObject({
      type: 'unavailable',
      message: `${responder.url} did not answer within 1 s. Try again later.`,
    });
  });

  it('is given up when it trickles on past the deadline', async () => {
    responder.on('simpleenroll', (_, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('A'), 20);
      response.once('close', () => clearInterval(drip));
      return undefined;
    });

    await expect(trustingClient({ timeoutMs: 1_000 }).simpleEnroll(csr, credentials)).rejects.toMatchObject({
      type: 'unavailable',
    });
  });

  it('is no longer waited for once the caller aborts', async () => {
    const abort = new AbortController();
    responder.on('simpleenroll', () => {
      abort.abort();
      return undefined;
    });

    await expect(trustingClient({ signal: abort.signal }).simpleEnroll(csr, credentials)).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  it.each([
    [202, '', 'unavailable'],
    [400, 'csr-rejected: RSA key has 1024 bits', 'csr-rejected'],
    [401, '', 'credentials-invalid'],
    [403, '', 'csr-forbidden'],
    [404, '', 'not-found'],
    [429, '', 'rate-limited'],
    [503, '', 'unavailable'],
    [301, '', 'unavailable'],
    [500, '', 'unavailable'],
  ])('with status %i is the problem a caller can act on', async (status, body, type) => {
    responder.on('simpleenroll', () => ({ status, body, headers: { location: '/elsewhere' } }));

    await expect(trustingClient().simpleEnroll(csr, credentials)).rejects.toMatchObject({
      type,
      extensions: { serverStatus: status },
    });
    expect(responder.operations.filter((operation) => operation === 'simpleenroll')).toHaveLength(1);
  });

  it('is an error when it changes to another protocol', async () => {
    responder.on('simpleenroll', (_, { socket }) => {
      socket?.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
      return undefined;
    });

    await expect(trustingClient({ timeoutMs: 5_000 }).simpleEnroll(csr, credentials)).rejects.toMatchObject({
      type: 'unavailable',
    });
  });

  it.each([202, 429, 503])('with status %i says when to ask again', async (status) => {
    responder.on('simpleenroll', () => ({ status, headers: { 'retry-after': '120' } }));

    await expect(trustingClient().simpleEnroll(csr, credentials)).rejects.toMatchObject({ retryAfterSeconds: 120 });
  });

  it('may give the time to ask again as a date', async () => {
    const at = new Date(Date.now() + 3_600_000).toUTCString();
    responder.on('simpleenroll', () => ({ status: 503, headers: { 'retry-after': at } }));

    const refusal: unknown = await trustingClient()
      .simpleEnroll(csr, credentials)
      .catch((error: unknown) => error);

    expect(refusal).toMatchObject({ retryAfterSeconds: expect.closeTo(3_600, -1) });
  });

  it('shows what the server said on one printable line', async () => {
    const body = 'RSA key has 1024 bits,\r\n\u001b[31mneeds 2048.';
    responder.on('simpleenroll', () => ({ status: 400, body }));

    await expect(trustingClient().simpleEnroll(csr, credentials)).rejects.toMatchObject({
      message: `${responder.url} rejected the certificate signing request (RSA key has 1024 bits, [31mneeds 2048). Mend it and send it again.`,
    });
  });
});

describe('a server that is no EST server', () => {
  it('is named with the reason when nothing listens there', async () => {
    const { url } = responder;
    await responder.close();
    responder = await EstResponder.start();

    await expect(new EstClient({ url, trust: { rootsPem: [] } }).caCertificates()).rejects.toMatchObject({
      type: 'unavailable',
      message: expect.stringContaining('nothing listens there'),
    });
  });

  it('is named with the reason when the port does not speak TLS', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    const client = new EstClient({ url: `https://localhost:${port}`, trust: { rootsPem: [] } });

    await expect(client.caCertificates()).rejects.toMatchObject({
      message: expect.stringContaining('does not speak TLS'),
    });
    server.close();
  });
});

function pem(der: Buffer): string {
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
}

/** RFC 5652 §5.1 ContentInfo with SignedData, every constructed length indefinite (X.690 §8.1.3.6). */
function indefinite(ders: readonly Buffer[]): Buffer {
  const open = (tag: number, ...content: Buffer[]) =>
    Buffer.concat([Buffer.from([tag, 0x80]), ...content, Buffer.from([0, 0])]);
  const oid = (hex: string) => Buffer.from(`0609${hex}`, 'hex');
  const signedData = open(
    0x30,
    Buffer.from('020101', 'hex'),
    Buffer.from('3100', 'hex'),
    open(0x30, oid('2a864886f70d010701')),
    open(0xa0, ...ders),
    Buffer.from('3100', 'hex'),
  );
  return open(0x30, oid('2a864886f70d010702'), open(0xa0, signedData));
}
