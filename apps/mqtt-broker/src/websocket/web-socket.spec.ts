import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { EmbeddedBroker } from '@sallyport/embedded-broker';
import { type ProgramResult, runProgram, TestCa, waitFor } from '@sallyport/testkit';
import { readSecurityFiles, SecureListener } from '@sallyport/tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { webSocketEntrance } from './web-socket-entrance.js';

const keys = { cert: 'mqtt.bind.cert_file', key: 'mqtt.bind.key_file', ca: 'mqtt.bind.ca_path' };
const connectPacket = Buffer.from('101200044d5154540402003c0006636869703031', 'hex');
const connack = '20020000';

let ca: TestCa;
let broker: EmbeddedBroker;
const listeners: SecureListener[] = [];
const ports = { plain: 0, mutual: 0 };

beforeAll(async () => {
  ca = await TestCa.create();
  broker = new EmbeddedBroker({ onWarning: () => undefined });
  const { certPath, keyPath } = await ca.issue({ commonName: 'localhost', subjectAltNames: ['DNS:localhost'] });
  ports.plain = await open({});
  ports.mutual = await open({ certPath, keyPath, caPath: ca.certPath });
});

afterAll(async () => {
  await Promise.all(listeners.map((listener) => listener.close({ drainMs: 0 })));
  await broker.close();
  await ca[Symbol.asyncDispose]();
});

async function open(paths: { certPath?: string; keyPath?: string; caPath?: string }): Promise<number> {
  const { settings } = await readSecurityFiles({ ...paths, keys });
  const listener = new SecureListener({
    name: 'mqtt.websocket',
    host: '127.0.0.1',
    port: 0,
    security: settings,
    admission: { admit: async ({ deviceId, kind }) => ({ outcome: 'admitted', deviceId, kind }) },
    events: { onRefusal: () => undefined, onWarning: () => undefined },
    handler: webSocketEntrance(({ socket, peer }) => broker.accept(socket, peer), {
      limits: {},
      allowedHosts: () => ['dashboard.example'],
    }),
  });
  listeners.push(listener);
  return (await listener.listen()).port;
}

/** The programs of MQTT.js. */
function mqttJs(program: 'mqtt_pub' | 'mqtt_sub', ...args: string[]): Promise<ProgramResult> {
  const script = fileURLToPath(new URL(`../../../../node_modules/.bin/${program}`, import.meta.url));
  return runProgram(process.execPath, [script, '-h', 'localhost', ...args]);
}

async function openSocket(subprotocol: string | undefined, headers: Readonly<Record<string, string>> = {}) {
  const socket = new WebSocket(`ws://localhost:${ports.plain}/mqtt`, subprotocol, { headers });
  const received: Buffer[] = [];
  socket.on('message', (message) => void (Buffer.isBuffer(message) && received.push(message)));
  await once(socket, 'open');
  return { socket, received: () => Buffer.concat(received).toString('hex') };
}

const statusOf = async (subprotocol: string | undefined, headers?: Readonly<Record<string, string>>) =>
  openSocket(subprotocol, headers).then(
    () => 'served',
    (error: unknown) => String(error),
  );

async function closeCodeOf(socket: WebSocket): Promise<unknown> {
  const [code] = await once(socket, 'close');
  return code;
}

describe('MQTT over WebSocket', () => {
  it('takes what MQTT.js publishes, and gives it what is retained', async () => {
    const place = ['-C', 'ws', '-p', String(ports.plain), '-t', 'web/a'];
    expect(await mqttJs('mqtt_pub', ...place, '-m', 'hello', '-q', '1', '-r')).toMatchObject({ exitCode: 0 });
    const subscriber = new WebSocket(`ws://localhost:${ports.plain}/mqtt`, 'mqtt');
    await once(subscriber, 'open');
    const received: Buffer[] = [];
    subscriber.on('message', (message) => void (Buffer.isBuffer(message) && received.push(message)));
    subscriber.send(connectPacket);
    subscriber.send(Buffer.from('820a00010005 7765622f61 00'.replaceAll(' ', ''), 'hex'));
    await waitFor(() => Buffer.concat(received).includes('hello'));
    subscriber.terminate();
  });

  it('knows a client by its certificate, as without WebSocket', async () => {
    const { certPath, keyPath } = await ca.issue({ commonName: 'child01', extendedKeyUsage: 'clientAuth' });
    const identity = ['--ca', ca.certPath, '--cert', certPath, '--key', keyPath];
    const place = ['-C', 'wss', '-p', String(ports.mutual), '-q', '1', '-m', 'x'];
    expect(await mqttJs('mqtt_pub', ...place, ...identity, '-t', 'te/device/child01/a')).toMatchObject({ exitCode: 0 });
    const [listener] = listeners.slice(1);
    const client = new WebSocket(`wss://localhost:${ports.mutual}/mqtt`, 'mqtt', {
      ca: ca.certPem,
      ...(await pairOf('child02')),
    });
    await once(client, 'open');
    await waitFor(() => listener?.sessions.some(({ peer }) => peer?.deviceId === 'child02') === true);
    expect(listener?.refuseSessions(({ deviceId }) => (deviceId === 'child02' ? 'device-revoked' : undefined))).toBe(1);
    await once(client, 'close');
  });

  it('serves a packet that is spread over messages and fragments, and packets that share one', async () => {
    const { socket, received } = await openSocket('mqtt');
    for (const byte of connectPacket.subarray(0, 8)) socket.send(Buffer.from([byte]));
    socket.send(connectPacket.subarray(8, 12), { fin: false });
    socket.send(Buffer.concat([connectPacket.subarray(12), Buffer.from('c000c000', 'hex')]), { fin: true });
    await waitFor(() => received() === `${connack}d000d000`);
    socket.terminate();
  });

  it('answers a ping of the WebSocket', async () => {
    const { socket } = await openSocket('mqtt');
    const pong = once(socket, 'pong');
    socket.ping('still there?');
    expect(String((await pong)[0])).toBe('still there?');
    socket.terminate();
  });

  it.each([
    ['text', 1_003, (socket: WebSocket) => socket.send('not binary')],
    ['a message larger than any packet', 1_009, (socket: WebSocket) => socket.send(Buffer.alloc(1024 * 1024 + 6))],
  ])('ends a client that sends %s', async (_what, code, send) => {
    const { socket } = await openSocket('mqtt');
    const closed = closeCodeOf(socket);
    send(socket);
    expect(await closed).toBe(code);
  });

  it('ends a client that does not mask its frames', async () => {
    const socket = connect(ports.plain, '127.0.0.1');
    socket.write(
      'GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n',
    );
    const said = heard(socket);
    await waitFor(() => said().includes('\r\n\r\n'));
    socket.write(Buffer.concat([Buffer.from([0x82, connectPacket.length]), connectPacket]));
    await once(socket, 'close');
    // RFC 6455 §5.1: close frame with status 1002.
    expect(Buffer.from(said(), 'latin1').subarray(-4).toString('hex')).toBe('880203ea');
  });

  it('closes the WebSocket in its own words when the client disconnects', async () => {
    const { socket } = await openSocket('mqtt');
    const closed = closeCodeOf(socket);
    socket.send(Buffer.concat([connectPacket, Buffer.from('e000', 'hex')]));
    expect(await closed).toBe(1_000);
  });

  it.each([
    ['without a subprotocol', undefined, {}, '400'],
    ['with another subprotocol only', 'chat', {}, '400'],
    ['of a page of another site', 'mqtt', { Origin: 'https://evil.example' }, '403'],
    ['of a page whose name leads to this host', 'mqtt', { Origin: 'http://evil.example', Host: 'evil.example' }, '403'],
    ['of a page without an origin of its own', 'mqtt', { Origin: 'null' }, '403'],
  ])('refuses a WebSocket %s', async (_what, subprotocol, headers, status) => {
    expect(await statusOf(subprotocol, headers)).toContain(`Unexpected server response: ${status}`);
  });

  it.each<[string, string, string?]>([
    ['of the same host, on another port', 'http://localhost:8080'],
    ['of a host that is allowed', 'https://dashboard.example'],
    ['of the same address', 'http://192.168.1.5:8080', '192.168.1.5:9001'],
    ['of the name of this machine', `http://${hostname()}:8080`, `${hostname()}:9001`],
  ])('takes a WebSocket of a page %s', async (_what, origin, host = 'localhost') => {
    expect(await statusOf('mqtt', { Origin: origin, Host: host })).toBe('served');
  });

  it('takes a WebSocket of a page of the same host by any name that its certificate has', async () => {
    const socket = new WebSocket(`wss://localhost:${ports.mutual}/mqtt`, 'mqtt', {
      ca: ca.certPem,
      ...(await pairOf('child03')),
      headers: { Origin: 'https://gateway.example', Host: 'gateway.example' },
    });
    await once(socket, 'open');
    socket.terminate();
  });

  it('tells a browser that opens its address what it is', async () => {
    const answer = await fetch(`http://localhost:${ports.plain}/mqtt`);
    expect([answer.status, answer.headers.get('upgrade')]).toEqual([426, 'websocket']);
    expect(await answer.text()).toContain('subprotocol "mqtt"');
  });
});

async function pairOf(commonName: string) {
  const { certPem: cert, keyPem: key } = await ca.issue({ commonName, extendedKeyUsage: 'clientAuth' });
  return { cert, key };
}

function heard(socket: Socket): () => string {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => void chunks.push(chunk));
  return () => Buffer.concat(chunks).toString('latin1');
}
