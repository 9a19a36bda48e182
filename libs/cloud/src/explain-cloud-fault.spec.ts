import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { connectPacket, spawnMosquitto, TestCa, type TestCertificate } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { CloudConnection } from './cloud-connection.js';
import type { CloudFault } from './cloud-fault.js';
import { CloudSite } from './cloud-site.fixture.js';
import { dialCloud } from './dial-cloud.js';
import { CloudDialError } from './dial-error.js';
import { type ExplainOptions, explainCloudFault } from './explain-cloud-fault.js';

const hour = 3_600_000;
const day = 24 * hour;

let ca: TestCa;
let server: TestCertificate;
let device: TestCertificate;
let otherCa: TestCa;

beforeAll(async () => {
  ca = await TestCa.create({ commonName: 'Cloud Root' });
  otherCa = await TestCa.create({ commonName: 'Other Root' });
  server = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
  device = await ca.issue({ commonName: 'gateway1' });
});
afterAll(async () => {
  await ca[Symbol.asyncDispose]();
  await otherCa[Symbol.asyncDispose]();
});

interface Wanted {
  readonly port: number;
  readonly identity?: TestCertificate;
  readonly roots?: string;
  readonly proxyPort?: number;
  readonly httpPort?: number;
  readonly host?: string;
}

/** A connection of profile plant2, so that advice must name its keys in full. */
async function connectionTo(wanted: Wanted): Promise<CloudConnection> {
  const { port, identity = device, roots = ca.certPath, host = 'localhost', proxyPort, httpPort = 1 } = wanted;
  const lines = [
    ...[
      '[c8y.profiles.plant2]',
      `url = "${host}"`,
      `mqtt = "${host}:${port}"`,
      `http = "${host}:${httpPort}"`,
      `root_cert_path = "${roots}"`,
    ],
    ...[
      'device.id = "gateway1"',
      `device.cert_path = "${identity.certPath}"`,
      `device.key_path = "${identity.keyPath}"`,
    ],
    ...(proxyPort === undefined ? [] : ['[proxy]', `address = "localhost:${proxyPort}"`]),
  ];
  const site = await CloudSite.create({ 'tedge.toml': `${lines.join('\n')}\n` });
  onTestFinished(() => site[Symbol.asyncDispose]());
  return site.connection('c8y@plant2');
}

/** Dials, says CONNECT, and explains the first fault. */
async function faultOf(connection: CloudConnection, options: ExplainOptions = {}): Promise<CloudFault> {
  try {
    const socket = await dialCloud(connection, { endpoint: 'mqtt', deadlines: { connectMs: 5000, handshakeMs: 500 } });
    socket.write(connectPacket({ clientId: 'gateway1' }));
    const [answer] = await once(socket, 'data');
    throw new Error(`the cloud answered ${answer.toString('hex')}`);
  } catch (error) {
    return explainCloudFault(error, connection, options);
  }
}

async function broker(certificate = server): Promise<number> {
  const daemon = await spawnMosquitto({
    tls: { certPath: certificate.certPath, keyPath: certificate.keyPath, caPath: ca.certPath },
    requireCertificate: true,
  });
  onTestFinished(() => daemon.stop());
  return daemon.port;
}

async function listen(listener: Server): Promise<number> {
  listener.listen(0, 'localhost');
  await once(listener, 'listening');
  onTestFinished(() => void listener.close());
  const address: AddressInfo | string | null = listener.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('the certificate of this device', () => {
  it('that has expired is named with its date and how to get a new one', async () => {
    const notAfter = new Date(Math.floor((Date.now() - hour) / 1000) * 1000);
    const identity = await ca.issue({ commonName: 'gateway1', notBefore: new Date(Date.now() - day), notAfter });
    expect(await faultOf(await connectionTo({ port: await broker(), identity }))).toEqual({
      code: 'device-certificate-expired',
      what: `The certificate of this device (${identity.certPath}, c8y.profiles.plant2.device.cert_path) expired ${notAfter.toISOString()}.`,
      advice: 'Get a new one: tedge cert download c8y --profile plant2',
    });
  });

  it('that is not valid yet leads to the clock', async () => {
    const notBefore = new Date(Date.now() + day);
    const identity = await ca.issue({ commonName: 'gateway1', notBefore });
    expect(await faultOf(await connectionTo({ port: await broker(), identity }))).toMatchObject({
      code: 'device-certificate-not-yet-valid',
      advice: 'Correct the clock: timedatectl set-ntp true',
    });
  });

  it('that the tenant does not know is named with its issuer and both ways to make it known', async () => {
    const identity = await otherCa.issue({ commonName: 'gateway1' });
    const port = await broker();
    expect(await faultOf(await connectionTo({ port, identity }))).toEqual({
      code: 'device-certificate-unknown',
      what: `localhost:${port} does not accept the certificate of this device (${identity.certPath}, issued by CN=Other Root): unknown ca.`,
      advice:
        'Make the tenant trust the CA that issued it: tedge cert upload c8y --profile plant2 --ca FILE. Or get a certificate from the tenant: tedge cert download c8y --profile plant2',
    });
  });

  it('that is self-signed is uploaded to the tenant', async () => {
    const own = await TestCa.create({ commonName: 'gateway1' });
    onTestFinished(() => own[Symbol.asyncDispose]());
    expect(await faultOf(await connectionTo({ port: await broker(), identity: own.certificate }))).toMatchObject({
      code: 'device-certificate-unknown',
      advice: 'Make the tenant trust it: tedge cert upload c8y --profile plant2',
    });
  });

  it('with the key of another one is named with both files', async () => {
    const { keyPath } = await ca.issue({ commonName: 'gateway1' });
    const connection = await connectionTo({ port: 1, identity: { ...device, keyPath } });
    expect(await faultOf(connection)).toEqual({
      code: 'key-mismatch',
      what: `The private key in ${keyPath} (c8y.profiles.plant2.device.key_path) does not belong to the certificate in ${device.certPath} (c8y.profiles.plant2.device.cert_path).`,
      advice:
        'Put the key of that certificate there, or get a certificate for the key: tedge cert download c8y --profile plant2',
    });
  });
});

describe('the certificate of the server', () => {
  it('of an unknown CA is named with its issuer, and the setting that would trust it', async () => {
    const port = await broker();
    const connection = await connectionTo({ port, roots: otherCa.certPath });
    expect(await faultOf(connection, { mayProbe: true })).toEqual({
      code: 'server-untrusted',
      what: `The certificate of localhost:${port} is not trusted: its issuer (CN=Cloud Root) is none of the CAs at ${otherCa.certPath} (c8y.profiles.plant2.root_cert_path).`,
      advice:
        'Get the CA certificate of the cloud and name its file or directory: tedge config set c8y.root_cert_path PATH --profile plant2',
    });
  });

  it('for another name is named with the names it holds', async () => {
    const port = await broker(await ca.issue({ subjectAltNames: ['DNS:mqtt.tenant.example'] }));
    expect(await faultOf(await connectionTo({ port }))).toEqual({
      code: 'server-name-mismatch',
      what: `The certificate of localhost:${port} is not for localhost, but for DNS:mqtt.tenant.example.`,
      advice: 'Use a name that it holds: tedge config set c8y.mqtt HOST:PORT --profile plant2',
    });
  });

  it('that has expired leads to the clock first', async () => {
    const notAfter = new Date(Date.now() - hour);
    const certificate = await ca.issue({
      subjectAltNames: ['DNS:localhost'],
      notBefore: new Date(Date.now() - day),
      notAfter,
    });
    const now = new Date('2026-01-01T00:00:00Z');
    const connection = await connectionTo({ port: await broker(certificate) });
    expect(await faultOf(connection, { now })).toMatchObject({
      code: 'server-certificate-expired',
      advice:
        'The clock of this machine says 2026-01-01T00:00:00.000Z. If this machine is wrong, correct it: timedatectl set-ntp true. Else the cloud must renew it.',
    });
  });

  it('is told with what the REST API takes for the time, where that may be asked', async () => {
    const api = createHttpsServer({ cert: server.certPem, key: server.keyPem }, (_request, response) => {
      response.setHeader('date', 'Fri, 01 May 2026 12:00:00 GMT').end();
    });
    const certificate = await ca.issue({ subjectAltNames: ['DNS:localhost'], notBefore: new Date(Date.now() + hour) });
    const connection = await connectionTo({ port: await broker(certificate), httpPort: await listen(api) });
    expect((await faultOf(connection, { mayProbe: true })).advice).toContain(
      ', and that of the server 2026-05-01T12:00:00.000Z. If this machine is wrong, correct it',
    );
  });

  it('that is not valid yet leads to the clock', async () => {
    const certificate = await ca.issue({ subjectAltNames: ['DNS:localhost'], notBefore: new Date(Date.now() + hour) });
    expect(await faultOf(await connectionTo({ port: await broker(certificate) }))).toMatchObject({
      code: 'server-certificate-not-yet-valid',
    });
  });
});

describe('a server', () => {
  it('without TLS is called so', async () => {
    const listener = createServer((socket) =>
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n').on('error', () => undefined),
    );
    expect(await faultOf(await connectionTo({ port: await listen(listener) }))).toMatchObject({ code: 'not-tls' });
  });

  it('that closes the connection without a word may refuse the device', async () => {
    const listener = createServer((socket) => {
      socket.on('error', () => undefined).once('data', () => socket.destroy());
    });
    expect(await faultOf(await connectionTo({ port: await listen(listener) }))).toMatchObject({
      code: 'handshake-refused',
      what: expect.stringMatching(/^localhost:\d+ closed the connection without saying why\.$/),
    });
  });

  it('that refuses the MQTT session is quoted', async () => {
    const refused = new Error('The broker refused CONNECT: not authorized (5).');
    const fault = await explainCloudFault(refused, await connectionTo({ port: 8883 }));
    expect(fault.what).toBe('The connection to localhost:8883 failed: The broker refused CONNECT: not authorized (5).');
  });

  it('that is silent is left', async () => {
    expect(await faultOf(await connectionTo({ port: await listen(createServer()) }))).toMatchObject({
      code: 'timeout',
    });
  });

  it('with nothing at its port is called so', async () => {
    expect(await faultOf(await connectionTo({ port: 1, httpPort: 443 }))).toEqual({
      code: 'refused',
      what: 'Nothing listens at localhost:1.',
      advice: 'Check host and port: tedge config set c8y.mqtt HOST:PORT --profile plant2',
    });
  });

  it('whose host is in one setting for all protocols is corrected there', async () => {
    const site = await CloudSite.create({ 'tedge.toml': 'c8y.url = "localhost"\ndevice.id = "gateway1"\n' });
    onTestFinished(() => site[Symbol.asyncDispose]());
    const connection = await site.connection('c8y');
    const cause = Object.assign(new Error('x'), { code: 'ECONNREFUSED' });
    const error = new CloudDialError('no TCP', { stage: 'connect', place: connection.mqtt, cause });
    expect(await explainCloudFault(error, connection)).toMatchObject({
      advice: 'Check host and port: tedge config set c8y.url HOST',
    });
  });

  it('of the REST API has a setting of its own', async () => {
    const connection = await connectionTo({ port: 8883, httpPort: 443 });
    const cause = Object.assign(new Error('x'), { code: 'ECONNREFUSED' });
    const place = { host: 'localhost', port: 443 };
    const error = new CloudDialError('no TCP', { stage: 'connect', place, cause });
    expect(await explainCloudFault(error, connection)).toMatchObject({
      advice: 'Check host and port: tedge config set c8y.http HOST:PORT --profile plant2',
    });
  });

  it('with an unknown name is called so', async () => {
    const connection = await connectionTo({ port: 1, host: 'no-such-host.invalid' });
    expect(await faultOf(connection)).toMatchObject({ code: 'name-unknown' });
  });

  it('that does not answer may be behind a firewall, and port 443 is looked at', async () => {
    const connection = await connectionTo({ port: 8883 });
    const place = { host: 'localhost', port: 8883 };
    const error = new CloudDialError('late', { stage: 'connect', place, isTimeout: true });
    expect(await explainCloudFault(error, connection, { mayProbe: true })).toMatchObject({
      code: 'port-blocked',
      what: expect.stringMatching(
        /^localhost:8883 does not answer\. Port 443 (?:does not answer either|of that host answers, so only this port is blocked)\.$/,
      ),
      advice: 'A firewall may block port 8883: allow connections to localhost:8883.',
    });
  });

  it('that asks for certificates of too many CAs is called so', async () => {
    const cause = Object.assign(new Error('x'), { code: 'ERR_SSL_EXCESSIVE_MESSAGE_SIZE' });
    const error = new CloudDialError('no TLS', { stage: 'handshake', place: { host: 'localhost', port: 1 }, cause });
    expect(await explainCloudFault(error, await connectionTo({ port: 1 }))).toMatchObject({
      code: 'handshake-too-large',
    });
  });
});

describe('the HTTP proxy', () => {
  async function refusing(status: number): Promise<CloudConnection> {
    const proxy = createHttpServer().on('connect', (_request, client) => {
      client.end(`HTTP/1.1 ${status} No\r\nContent-Length: 0\r\n\r\n`);
    });
    return connectionTo({ port: 8883, proxyPort: await listen(proxy) });
  }

  it('that refuses user and password is named with the settings of both', async () => {
    expect(await faultOf(await refusing(407))).toMatchObject({
      code: 'proxy-credentials',
      advice: 'Set both: tedge config set proxy.username USER, tedge config set proxy.password PASSWORD',
    });
  });

  it('that refuses the tunnel is named with its status', async () => {
    expect(await faultOf(await refusing(403))).toMatchObject({
      code: 'proxy-refused',
      what: expect.stringMatching(
        /^The HTTP proxy localhost:\d+ \(proxy\.address\) refused the tunnel to the cloud \(status 403\)\.$/,
      ),
    });
  });

  it('that is not there is named with its setting', async () => {
    expect(await faultOf(await connectionTo({ port: 8883, proxyPort: 1 }))).toEqual({
      code: 'proxy-unreachable',
      what: 'The HTTP proxy localhost:1 (proxy.address) cannot be used: ECONNREFUSED.',
      advice: 'Check its address: tedge config set proxy.address HOST:PORT',
    });
  });
});
