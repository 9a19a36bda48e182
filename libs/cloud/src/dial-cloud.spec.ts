import { once } from 'node:events';
import { copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createTlsServer, TLSSocket } from 'node:tls';
import { connectPacket, spawnMosquitto, TestCa, type TestCertificate } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { CloudSite } from './cloud-site.fixture.js';
import { dialCloud } from './dial-cloud.js';
import { CloudDialError } from './dial-error.js';

let ca: TestCa;
let server: TestCertificate;
let device: TestCertificate;

beforeAll(async () => {
  ca = await TestCa.create();
  server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'] });
  device = await ca.issue({ commonName: 'gateway1' });
});
afterAll(() => ca[Symbol.asyncDispose]());

/** A broker that asks for a certificate of the CA. */
async function cloudBroker(certificate = server) {
  const broker = await spawnMosquitto({
    tls: { certPath: certificate.certPath, keyPath: certificate.keyPath, caPath: ca.certPath },
    requireCertificate: true,
  });
  onTestFinished(() => broker.stop());
  return broker;
}

interface Wanted {
  readonly mqtt: string;
  readonly roots?: string;
  readonly identity?: Pick<TestCertificate, 'certPath' | 'keyPath'>;
  readonly more?: string;
}

async function siteFor({ mqtt, roots = ca.certPath, identity = device, more = '' }: Wanted): Promise<CloudSite> {
  const lines = [
    ...['[device]', `cert_path = "${identity.certPath}"`, `key_path = "${identity.keyPath}"`],
    ...['[c8y]', 'url = "localhost"', `mqtt = "${mqtt}"`, `http = "${mqtt}"`, `root_cert_path = "${roots}"`, more, ''],
  ];
  const site = await CloudSite.create({ 'tedge.toml': lines.join('\n') });
  onTestFinished(() => site[Symbol.asyncDispose]());
  return site;
}

/** The first byte of the answer to a CONNECT; 0x20 is CONNACK (MQTT 3.1.1 §3.2). */
async function greet(socket: Duplex): Promise<number> {
  socket.write(connectPacket({ clientId: 'gateway1' }));
  const [answer] = await once(socket, 'data');
  socket.destroy();
  return answer[0];
}

async function listen(listener: Server, host = '127.0.0.1'): Promise<number> {
  listener.listen(0, host);
  await once(listener, 'listening');
  onTestFinished(() => void listener.close());
  const address: AddressInfo | string | null = listener.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('dialling a cloud', () => {
  it('proves the device to a broker that asks for its certificate', async () => {
    const { port } = await cloudBroker();
    const site = await siteFor({ mqtt: `localhost:${port}` });
    const socket = await dialCloud(await site.connection(), { endpoint: 'mqtt' });
    expect(await greet(socket)).toBe(0x20);
  });

  it('takes an address for the host if the certificate of the server names it', async () => {
    const { port } = await cloudBroker();
    const site = await siteFor({ mqtt: `127.0.0.1:${port}` });
    expect(await greet(await dialCloud(await site.connection(), { endpoint: 'mqtt' }))).toBe(0x20);
  });

  it('shows a renewed certificate at the next dial', async () => {
    const { port } = await cloudBroker();
    const stranger = await (await TestCa.create()).issue({ commonName: 'gateway1' });
    const site = await siteFor({ mqtt: `localhost:${port}`, identity: { certPath: '/nowhere', keyPath: '/nowhere' } });
    const files = { certPath: site.path('d.crt'), keyPath: site.path('d.key') };
    await site.write('tedge.toml', await siteToml(port, files));
    const connection = await site.connection();
    await place(stranger, files);
    await expect(dialCloud(connection, { endpoint: 'mqtt' }).then(greet)).rejects.toThrow();
    await place(device, files);
    expect(await greet(await dialCloud(connection, { endpoint: 'mqtt' }))).toBe(0x20);
  });

  it.each(['127.0.0.1', '::1'])('finds a server on localhost that has only %s', async (address) => {
    const listener = createTlsServer({ cert: server.certPem, key: server.keyPem });
    const site = await siteFor({ mqtt: `localhost:${await listen(listener, address)}` });
    const socket = await dialCloud(await site.connection(), { endpoint: 'http' });
    onTestFinished(() => void socket.destroy());
    expect(socket.remoteAddress).toBe(address);
  });

  it('offers the protocols it was given', async () => {
    const listener = createTlsServer({ cert: server.certPem, key: server.keyPem, ALPNProtocols: ['http/1.1'] });
    const site = await siteFor({ mqtt: `localhost:${await listen(listener)}` });
    const socket = await dialCloud(await site.connection(), { endpoint: 'http', alpn: ['h3', 'http/1.1'] });
    onTestFinished(() => void socket.destroy());
    expect(socket instanceof TLSSocket && socket.alpnProtocol).toBe('http/1.1');
  });

  it('refuses a server of TLS 1.1', async () => {
    const listener = createTlsServer({
      ...{ cert: server.certPem, key: server.keyPem, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' },
      ciphers: 'DEFAULT@SECLEVEL=0',
    });
    const site = await siteFor({ mqtt: `localhost:${await listen(listener)}` });
    await expect(dialCloud(await site.connection(), { endpoint: 'mqtt' })).rejects.toMatchObject({
      stage: 'handshake',
    });
  });

  it('refuses a server that does not prove its name', async () => {
    const certificate = await ca.issue({ commonName: 'other', subjectAltNames: ['DNS:other.example'] });
    const { port } = await cloudBroker(certificate);
    const site = await siteFor({ mqtt: `localhost:${port}` });
    await expect(dialCloud(await site.connection(), { endpoint: 'mqtt' })).rejects.toMatchObject({
      stage: 'handshake',
      cause: { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
    });
  });

  it('trusts only the CAs of root_cert_path, whatever the system trusts', async () => {
    await using other = await TestCa.create();
    const { port } = await cloudBroker();
    const site = await siteFor({ mqtt: `localhost:${port}`, roots: other.certPath });
    await expect(dialCloud(await site.connection(), { endpoint: 'mqtt' })).rejects.toMatchObject({
      stage: 'handshake',
      cause: { code: expect.stringMatching(/^(?:UNABLE_TO_|SELF_SIGNED)/) },
    });
  });

  it('finds a CA in a sub-directory, among files that are none, and again after it has come later', async () => {
    const { port } = await cloudBroker();
    const site = await siteFor({ mqtt: `localhost:${port}` });
    const roots = site.path('roots');
    await mkdir(`${roots}/own/deep`, { recursive: true });
    await writeFile(`${roots}/README`, 'no certificate');
    await symlink('/nowhere', `${roots}/dangling.pem`);
    await symlink(roots, `${roots}/own/loop`);
    await writeFile(`${roots}/other.pem`, (await TestCa.create()).certPem);
    await site.write('tedge.toml', await siteToml(port, device, roots));
    const connection = await site.connection();
    await expect(dialCloud(connection, { endpoint: 'mqtt' })).rejects.toThrow(CloudDialError);
    await copyFile(ca.certPath, `${roots}/own/deep/ca.crt`);
    expect(await greet(await dialCloud(connection, { endpoint: 'mqtt' }))).toBe(0x20);
  });

  it('accepts the intermediate of the server as its anchor', async () => {
    const intermediate = await ca.intermediate();
    const certificate = await intermediate.issue({ subjectAltNames: ['DNS:localhost'] });
    const listener = createTlsServer({ cert: certificate.chainPem, key: certificate.keyPem });
    const site = await siteFor({ mqtt: `localhost:${await listen(listener)}`, roots: intermediate.certPath });
    const socket = await dialCloud(await site.connection(), { endpoint: 'mqtt' });
    expect(socket instanceof TLSSocket && socket.authorized).toBe(true);
    socket.destroy();
  });

  it('stops at its deadline when the server is silent', async () => {
    const site = await siteFor({ mqtt: `localhost:${await listen(createServer())}` });
    const dial = dialCloud(await site.connection(), { endpoint: 'mqtt', deadlines: { handshakeMs: 50 } });
    await expect(dial).rejects.toMatchObject({ stage: 'handshake', isTimeout: true });
  });

  it('stops when it is told to', async () => {
    const site = await siteFor({ mqtt: `localhost:${await listen(createServer())}` });
    const stop = new AbortController();
    const dial = dialCloud(await site.connection(), { endpoint: 'mqtt', signal: stop.signal });
    stop.abort(new Error('told to stop'));
    await expect(dial).rejects.toThrow('told to stop');
  });
});

describe('files that cannot work are found before anything is dialled', () => {
  const unused = 'localhost:1';

  it('a key that does not belong to the certificate: both files are named', async () => {
    const other = await ca.issue({ commonName: 'gateway1' });
    const identity = { certPath: device.certPath, keyPath: other.keyPath };
    const site = await siteFor({ mqtt: unused, identity });
    await expect(dialCloud(await site.connection(), { endpoint: 'mqtt' })).rejects.toThrow(
      `The private key in ${other.keyPath} (c8y.device.key_path) does not belong to the certificate in ${device.certPath} (c8y.device.cert_path).`,
    );
  });

  it('a certificate that is missing', async () => {
    const site = await siteFor({
      mqtt: unused,
      identity: { certPath: '/nowhere.crt', keyPath: device.keyPath },
      more: 'device.id = "g"',
    });
    await expect(dialCloud(await site.connection(), { endpoint: 'mqtt' })).rejects.toThrow(
      'There is no certificate at /nowhere.crt (c8y.device.cert_path). Get one: tedge cert download c8y',
    );
  });

  it('a key that is missing, or is none', async () => {
    const site = await siteFor({ mqtt: unused, identity: { certPath: device.certPath, keyPath: device.certPath } });
    await expect(dialCloud(await site.connection(), { endpoint: 'mqtt' })).rejects.toThrow(
      `c8y.device.key_path: ${device.certPath} holds no private key in PEM.`,
    );
  });

  it('a store of CAs that is empty', async () => {
    const site = await siteFor({ mqtt: unused });
    const roots = site.path('none');
    await mkdir(roots);
    await site.write('tedge.toml', await siteToml(1, device, roots));
    await expect(dialCloud(await site.connection(), { endpoint: 'mqtt' })).rejects.toThrow(
      `c8y.root_cert_path: there is no CA certificate in PEM at ${roots}, so no server could be trusted.`,
    );
    await rm(roots, { recursive: true });
    await expect(dialCloud(await site.connection(), { endpoint: 'mqtt' })).rejects.toThrow(
      `c8y.root_cert_path: ${roots} cannot be read (ENOENT)`,
    );
  });
});

async function siteToml(
  port: number,
  files: Pick<TestCertificate, 'certPath' | 'keyPath'>,
  roots = ca.certPath,
): Promise<string> {
  return `[device]\nid = "gateway1"\ncert_path = "${files.certPath}"\nkey_path = "${files.keyPath}"\n[c8y]\nurl = "localhost"\nmqtt = "localhost:${port}"\nroot_cert_path = "${roots}"\n`;
}

async function place(
  { certPem, keyPem }: TestCertificate,
  files: { certPath: string; keyPath: string },
): Promise<void> {
  await writeFile(files.certPath, certPem);
  await writeFile(files.keyPath, keyPem);
}

describe('an HTTP proxy', () => {
  /** A proxy that opens tunnels, and the requests it got. */
  async function proxyServer({ status = 200, isTls = false, early = '' } = {}) {
    const seen: IncomingMessage[] = [];
    const proxy = isTls ? createHttpsServer({ cert: server.certPem, key: server.keyPem }) : createHttpServer();
    proxy.on('connect', (request, client) => {
      seen.push(request);
      client.on('error', () => undefined);
      if (status !== 200) return client.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\n\r\n`);
      const [, port] = (request.url ?? '').split(':');
      const upstream = connect(Number(port), '127.0.0.1', () => {
        client.write(`HTTP/1.1 200 Connection established\r\n\r\n${early}`);
        upstream.pipe(client).pipe(upstream);
      });
      return upstream.on('error', () => client.destroy());
    });
    return { port: await listen(proxy), seen };
  }

  it.each([false, true])('opens the tunnel to the cloud, with its user and password (over TLS: %s)', async (isTls) => {
    const broker = await cloudBroker();
    const proxy = await proxyServer({ isTls });
    const address = `${isTls ? 'https' : 'http'}://localhost:${proxy.port}`;
    const more = `[proxy]\naddress = "${address}"\nusername = "user"\npassword = "pass:word"`;
    const site = await siteFor({ mqtt: `localhost:${broker.port}`, more });
    expect(await greet(await dialCloud(await site.connection(), { endpoint: 'mqtt' }))).toBe(0x20);
    expect(proxy.seen[0]?.url).toBe(`localhost:${broker.port}`);
    expect(proxy.seen[0]?.headers.host).toBe(`localhost:${broker.port}`);
    // RFC 7617: the base64 of user:pass:word.
    expect(proxy.seen[0]?.headers['proxy-authorization']).toBe('Basic dXNlcjpwYXNzOndvcmQ=');
  });

  it('is left out for hosts of no_proxy', async () => {
    const broker = await cloudBroker();
    const proxy = await proxyServer();
    const more = `[proxy]\naddress = "localhost:${proxy.port}"\nno_proxy = "10.0.0.0/8, localhost"`;
    const site = await siteFor({ mqtt: `localhost:${broker.port}`, more });
    expect(await greet(await dialCloud(await site.connection(), { endpoint: 'mqtt' }))).toBe(0x20);
    expect(proxy.seen).toHaveLength(0);
  });

  it.each([407, 403, 502])('that answers %i is named with its status', async (status) => {
    const proxy = await proxyServer({ status });
    const site = await siteFor({ mqtt: 'localhost:1', more: `[proxy]\naddress = "localhost:${proxy.port}"` });
    await expect(dialCloud(await site.connection(), { endpoint: 'mqtt' })).rejects.toMatchObject({
      stage: 'proxy',
      place: { host: 'localhost', port: proxy.port },
      proxyStatus: status,
    });
  });

  it('that puts bytes into the tunnel is not used', async () => {
    const broker = await cloudBroker();
    const proxy = await proxyServer({ early: 'hello' });
    const site = await siteFor({
      mqtt: `localhost:${broker.port}`,
      more: `[proxy]\naddress = "localhost:${proxy.port}"`,
    });
    await expect(dialCloud(await site.connection(), { endpoint: 'mqtt' })).rejects.toMatchObject({ stage: 'proxy' });
  });

  it('that is silent is left at the deadline', async () => {
    const port = await listen(createServer());
    const site = await siteFor({ mqtt: 'localhost:1', more: `[proxy]\naddress = "localhost:${port}"` });
    const dial = dialCloud(await site.connection(), { endpoint: 'mqtt', deadlines: { connectMs: 50 } });
    await expect(dial).rejects.toMatchObject({ stage: 'proxy', isTimeout: true });
  });
});
