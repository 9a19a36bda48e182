import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server, type TlsOptions } from 'node:tls';
import {
  OcfDevice,
  type OcfDeviceOptions,
  runProgram,
  TestCa,
  type TestCertificate,
  temporaryDirectory,
  waitFor,
} from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CoapRequest, CoapResponse, RequestHandler } from '../exchange.js';
import { CoapEndpoint } from './coap-endpoint.js';
import type { EndpointLimits } from './limits.js';

const clients = ['coap-client-openssl', 'coap-client-gnutls'] as const;
const id = 'b5a2a42e-b285-42f1-a36b-034c8fc8efd5';

const directory = temporaryDirectory();
let ca: TestCa;
let server: TestCertificate;
let device: TestCertificate;

beforeAll(async () => {
  ca = await TestCa.create();
  const names = { subjectAltNames: ['DNS:localhost', 'IP:127.0.0.1'], extendedKeyUsage: 'serverAuth,clientAuth' };
  server = await ca.issue({ commonName: 'uuid:0c29ad37-7a37-4a4c-9d2f-3a5e2d4b9f10', key: 'P-256', ...names });
  device = await ca.issue({ commonName: `uuid:${id}`, key: 'P-256', extendedKeyUsage: 'serverAuth,clientAuth' });
});

afterAll(async () => {
  await ca[Symbol.asyncDispose]();
  await directory.remove();
});

async function fileOf(bytes: number): Promise<string> {
  const path = directory.file(`${bytes}.txt`);
  await writeFile(path, 'x'.repeat(bytes));
  return path;
}

interface ServerOptions {
  readonly handler?: RequestHandler;
  readonly tls?: TlsOptions;
  readonly limits?: Partial<EndpointLimits>;
}

/** A server of CoAP over mutual TLS on our endpoint. */
class CoapServer implements AsyncDisposable {
  readonly endpoints: CoapEndpoint[] = [];
  readonly requests: CoapRequest[] = [];
  /** Pongs that came, as libcoap sends them: without a token. */
  pongs = 0;
  private readonly listener: Server;

  private constructor({ handler = () => ({ code: '2.05' }), tls = {}, limits = {} }: ServerOptions) {
    const files = { cert: server.certPem, key: server.keyPem, ca: ca.certPem };
    this.listener = createServer({ ...files, requestCert: true, rejectUnauthorized: true, ...tls }, (socket) => {
      const answer: RequestHandler = (request, signal) => {
        this.requests.push(request);
        return handler(request, signal);
      };
      socket.on('data', (bytes: Buffer) => {
        if (bytes.toString('hex') === '10e320') this.pongs += 1;
      });
      this.endpoints.push(new CoapEndpoint(socket, { handler: answer, limits }));
    });
    this.listener.on('tlsClientError', () => undefined);
  }

  static async start(options: ServerOptions = {}): Promise<CoapServer> {
    const started = new CoapServer(options);
    started.listener.listen(0, '127.0.0.1');
    await once(started.listener, 'listening');
    return started;
  }

  get port(): number {
    const address = this.listener.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  /** The connection of the device that connects next, or has. */
  async endpoint(): Promise<CoapEndpoint> {
    await waitFor(() => this.endpoints.length > 0, { what: 'a connection' });
    const [endpoint] = this.endpoints;
    if (endpoint === undefined) throw new Error('there is no connection');
    await endpoint.opened;
    return endpoint;
  }

  /** Runs coap-client: its output with what it complains about. */
  async ask(client: string, path: string, words: readonly string[] = []): Promise<string> {
    const files = ['-c', device.certPath, '-j', device.keyPath, '-R', ca.certPath];
    const uri = `coaps+tcp://127.0.0.1:${this.port}${path}`;
    const { stdout, stderr } = await runProgram(client, [...files, '-B', '10', ...words, uri]);
    return stdout + stderr;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const endpoint of this.endpoints) endpoint.abort('the test is over');
    await new Promise((resolve) => this.listener.close(resolve));
  }
}

const connectDevice = (port: number, options: Partial<OcfDeviceOptions> = {}) =>
  OcfDevice.start({ port, id, caPath: ca.certPath, certificate: device, ...options });

const text = (payload: string): CoapResponse => ({ code: '2.05', contentFormat: 0, payload: Buffer.from(payload) });

describe.each(clients)('%s', (client) => {
  it('gets what it asks for', async () => {
    await using ours = await CoapServer.start({ handler: () => text('hello') });
    expect(await ours.ask(client, '/greeting?who=me&twice')).toBe('hello\n');
    expect(ours.requests).toMatchObject([{ method: 'GET', path: ['greeting'], query: ['who=me', 'twice'] }]);
  });

  it.each([1_024, 5_000, 200_000])('gets a content of %i bytes whole', async (bytes) => {
    await using ours = await CoapServer.start({ handler: () => text('x'.repeat(bytes)) });
    expect((await ours.ask(client, '/large')).trimEnd()).toHaveLength(bytes);
  });

  // With GnuTLS libcoap cannot send a message that is larger than a record of TLS (16 KiB).
  it.each(client === 'coap-client-gnutls' ? [1_024, 3_000, 16_000] : [1_024, 3_000, 200_000])(
    'sends a content of %i bytes whole',
    async (bytes) => {
      await using ours = await CoapServer.start({ handler: ({ payload }) => text(`${payload.length}`) });
      expect(await ours.ask(client, '/large', ['-m', 'post', '-f', await fileOf(bytes)])).toBe(`${bytes}\n`);
    },
  );

  it('sends a large content in blocks, when it shall', async () => {
    await using ours = await CoapServer.start({ handler: ({ payload }) => text(`${payload.length}`) });
    const words = ['-m', 'post', '-f', await fileOf(5_000), '-b', '256'];
    expect(await ours.ask(client, '/large', words)).toBe('5000\n');
    expect(ours.requests).toHaveLength(1);
  });

  it.each(['16', '256', '1024'])('gets a large content in blocks of %s bytes, and it is made once', async (bytes) => {
    await using ours = await CoapServer.start({ handler: () => text('0123456789'.repeat(500)) });
    expect(await ours.ask(client, '/large', ['-b', bytes])).toBe(`${'0123456789'.repeat(500)}\n`);
    expect(ours.requests).toHaveLength(1);
  });

  it('sends and gets a large content in blocks in one exchange', async () => {
    await using ours = await CoapServer.start({ handler: ({ payload }) => text(payload.toString()) });
    const words = ['-m', 'post', '-f', await fileOf(5_000), '-b', '256'];
    expect(await ours.ask(client, '/large', words)).toBe(`${'x'.repeat(5_000)}\n`);
    expect(ours.requests).toHaveLength(1);
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'reads the last answer whole, 100 times of 100, over %s',
    async (version) => {
      const handler: RequestHandler = () => ({ code: '4.01', payload: Buffer.from('denied'), isLast: true });
      await using ours = await CoapServer.start({ handler, tls: { minVersion: version, maxVersion: version } });
      const answers: string[] = [];
      for (let run = 0; run < 100; run += 1) answers.push(await ours.ask(client, '/oic/sec/session'));
      expect(new Set(answers)).toEqual(new Set(['4.01 denied\n']));
      expect(answers).toHaveLength(100);
    },
    120_000,
  );
});

describe('a device made with libcoap', () => {
  it('asks and answers on one connection', async () => {
    const handler: RequestHandler = () => ({ code: '2.04', contentFormat: 10_000, payload: Buffer.from('a0', 'hex') });
    await using ours = await CoapServer.start({ handler });
    await using peer = await connectDevice(ours.port);
    expect(await peer.ask('GET /oic/sec/session')).toBe('2.04 {}');
    const endpoint = await ours.endpoint();
    const request = { method: 'GET', path: ['light', '1'], accept: 10_000 } as const;
    const answer = await endpoint.request(request, { deadlineMs: 5_000 });
    expect(answer).toMatchObject({ code: '2.05', contentFormat: 10_000 });
    expect(answer.payload?.toString('latin1')).toContain('state');
  });

  it('tells who observes it of each change, in order', async () => {
    await using ours = await CoapServer.start();
    await using peer = await connectDevice(ours.port);
    const endpoint = await ours.endpoint();
    const states: (string | undefined)[] = [];
    const onNotification = ({ payload }: CoapResponse) => void states.push(payload?.subarray(7, 8).toString('hex'));
    const request = { method: 'GET', path: ['light', '1'] } as const;
    const observation = await endpoint.observe(request, { deadlineMs: 5_000, onNotification });
    expect(observation.first).toMatchObject({ code: '2.05', observe: expect.any(Number) });
    for (const [index, to] of (['on', 'off', 'on'] as const).entries()) {
      peer.switchLight(to);
      await waitFor(() => states.length > index, { what: `notification ${index}` });
    }
    expect(states).toEqual(['f5', 'f4', 'f5']);
    await observation.cancel();
    peer.switchLight('off');
    expect(await peer.ask('GET /after')).toBe('2.05');
    expect(states).toHaveLength(3);
  });

  it('stays connected while it is silent, since it answers pings, without their token', async () => {
    await using ours = await CoapServer.start({ limits: { silenceMs: 20, pongMs: 1_000 } });
    await using peer = await connectDevice(ours.port);
    await waitFor(() => ours.pongs >= 5, { what: 'pongs' });
    expect(await peer.ask('GET /still/there')).toBe('2.05');
  });

  it('that never answers costs its own request only', async () => {
    await using ours = await CoapServer.start();
    const request = { method: 'GET', path: ['light', '1'] } as const;
    await using peer = await connectDevice(ours.port, { misbehaviour: 'silent' });
    const endpoint = await ours.endpoint();
    await expect(endpoint.request(request, { deadlineMs: 300 })).rejects.toMatchObject({ code: '5.04' });
    expect(await peer.ask('GET /still/there')).toBe('2.05');
  });

  it('that answers with 2 MB is not read to the end, and stays connected', async () => {
    await using ours = await CoapServer.start();
    const request = { method: 'GET', path: ['light', '1'] } as const;
    await using peer = await connectDevice(ours.port, { misbehaviour: 'huge' });
    const endpoint = await ours.endpoint();
    await expect(endpoint.request(request, { deadlineMs: 5_000 })).rejects.toMatchObject({ code: '4.13' });
    expect(await peer.ask('GET /still/there')).toBe('2.05');
  });

  it('may think for a while', async () => {
    await using ours = await CoapServer.start();
    await using _peer = await connectDevice(ours.port, { slowMs: 200 });
    const endpoint = await ours.endpoint();
    const request = { method: 'GET', path: ['light', '1'] } as const;
    await expect(endpoint.request(request, { deadlineMs: 5_000 })).resolves.toMatchObject({ code: '2.05' });
  });
});
