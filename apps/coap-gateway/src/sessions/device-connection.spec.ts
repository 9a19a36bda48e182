import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import {
  CoapError,
  type CoapRequest,
  type CoapResponse,
  encodeBlock,
  encodeMessage,
  methods,
  optionNumbers,
} from '@sallyport/coap-wire';
import { type TestCertificate, waitFor } from '@sallyport/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerOf, GatewaySite, lamp, send } from '../gateway-site.fixture.js';
import type { DeviceSession } from './device-session.js';
import { SignedInWork } from './signed-in-work.js';

/** Work that finds `/here` and tells which device asked. */
class SmallWork extends SignedInWork {
  readonly begun: string[] = [];

  override begin({ device, endpoint }: DeviceSession): void {
    this.begun.push(device);
    endpoint.request({ method: 'GET', path: ['hello'] }, { deadlineMs: 10_000 }).catch(() => undefined);
  }

  override async answer({ device }: DeviceSession, { path }: CoapRequest): Promise<CoapResponse> {
    if (path.join('/') !== 'here') throw new CoapError('4.04', 'not here');
    return { code: '2.05', payload: Buffer.from(device) };
  }

  override async settle(): Promise<void> {}

  override async forget(): Promise<void> {}
}

let site: GatewaySite;
let device: TestCertificate;
const work = new SmallWork();

beforeAll(async () => {
  site = await GatewaySite.open({ work: () => work });
  device = await site.device();
});
afterAll(() => site[Symbol.asyncDispose]());

async function connectBare(version: 'TLSv1.2' | 'TLSv1.3'): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port: site.port,
    ca: site.siteCa.certPem,
    cert: device.certPem,
    key: device.keyPem,
    minVersion: version,
    maxVersion: version,
    checkServerIdentity: () => undefined,
  });
  await once(socket, 'secureConnect');
  return socket;
}

/** Writes bytes on a bare TLS connection, and returns what came until the gateway ended it. */
async function exchange(pieces: readonly Buffer[], version: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3'): Promise<string> {
  const socket = await connectBare(version);
  const received: Buffer[] = [];
  socket.on('data', (bytes) => received.push(bytes));
  const ended = once(socket, 'end');
  for (const piece of pieces) await new Promise<void>((resolve) => socket.write(piece, () => resolve()));
  await ended;
  socket.destroy();
  return Buffer.concat(received).toString('hex');
}

const csm = '50e12304000020';
// That of libcoap, with Block-Wise-Transfer.
const csmWithBlocks = '50e12380010020';
const frame = (hex: string) => Buffer.from(hex, 'hex');
const size1 = { number: optionNumbers.size1, value: Buffer.from('ffffff', 'hex') };
// A POST to /here, token 01, by a device that is not signed in.
const notSignedIn = frame('51' + '02' + '01' + 'b4' + '68657265');
const lastWord = Buffer.from("cannot handle request to path '/here': invalid authorization context").toString('hex');
// 68 bytes and the payload marker: 13 and 56.
const refusal = `d1388101ff${lastWord}`;

describe('a connection that nobody has signed in on', () => {
  it('tells the time', async () => {
    await using client = await site.connect({ device });
    const answer = await client.ask('/x.plgd.dev/time');
    expect(answer).toMatchObject({ code: '2.05', contentFormat: 10_000 });
    const { time } = Object(answerOf(answer).body);
    expect(Date.parse(time) / 1000).toBeCloseTo(Date.now() / 1000, -1);
    expect((await client.ask('/x.plgd.dev/time', { method: 'POST' })).code).toBe('4.04');
  });

  it.each(['GET', 'POST', 'PUT', 'DELETE'] as const)('ends with 4.01 after any other request (%s)', async (method) => {
    await using client = await site.connect({ device });
    expect(answerOf(await client.ask('/oic/rd', { method }))).toMatchObject({
      code: '4.01',
      text: "cannot handle request to path '/oic/rd': invalid authorization context",
    });
    expect(await client.ended).toBe('peer-closed');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'gets the whole refusal before the end, 100 times of 100 (%s)',
    async (version) => {
      const answers = new Map<string, number>();
      for (let run = 0; run < 100; run += 1) {
        const answer = await exchange([frame(csm), notSignedIn], version);
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
      }
      expect([...answers]).toEqual([[csm + refusal, 100]]);
    },
  );

  it('understands a request that comes byte by byte', async () => {
    const bytes = [...Buffer.concat([frame(csm), notSignedIn])].map((byte) => Buffer.of(byte));
    expect(await exchange(bytes)).toBe(csm + refusal);
  });

  it('answers fifty requests of one TLS record, each with its token', async () => {
    // GET /x.plgd.dev/time with tokens 01 to 32, in JSON.
    const path = `ba${Buffer.from('x.plgd.dev').toString('hex')}04${Buffer.from('time').toString('hex')}`;
    const options = `${path}6132`;
    const requests = Array.from({ length: 50 }, (_each, index) =>
      frame(
        `d1${(options.length / 2 - 13).toString(16).padStart(2, '0')}01${(index + 1).toString(16).padStart(2, '0')}${options}`,
      ),
    );
    const received = await exchange([Buffer.concat([frame(csm), ...requests, notSignedIn])]);
    const tokens = [...received.matchAll(/45(..)c132ff7b2274696d65/g)].map(([, token = '']) =>
      Number.parseInt(token, 16),
    );
    expect(tokens.toSorted((one, other) => one - other)).toEqual(
      Array.from({ length: 50 }, (_each, index) => index + 1),
    );
  });

  it('may send the options of libcoap and IoTivity with every request', async () => {
    // Uri-Host "a", Uri-Port 15684, Uri-Path, and versions 1.0.0 of accepted and of own content formats (2049, 2053).
    const path = `4a${Buffer.from('x.plgd.dev').toString('hex')}04${Buffer.from('time').toString('hex')}`;
    const options = `316142${'3d44'}${path}e206e9${'0800'}42${'0800'}`;
    const length = (options.length / 2 - 13).toString(16).padStart(2, '0');
    const received = await exchange([frame(csm), frame(`d1${length}0101${options}`), notSignedIn]);
    // 2.05 with token 01, in CBOR of OCF.
    expect(received).toMatch(new RegExp(`^${csm}d1..4501c22710ffa16474696d65`));
  });

  describe('with a request to /oic/sec/session that cannot be served', () => {
    const path = ['oic', 'sec', 'session'].map((text) => ({ number: optionNumbers.uriPath, value: Buffer.from(text) }));
    const block1 = (number: number) => ({
      number: optionNumbers.block1,
      value: encodeBlock({ number, hasMore: true, sizeExponent: 0 }),
    });
    const payload = Buffer.alloc(16);

    it.each([
      ['an unknown critical option', '82', { options: [{ number: 9, value: Buffer.of(1) }, ...path] }],
      ['an unknown method', '85', { code: 5 }],
      ['a block without those before it', '88', { options: [...path, block1(3)], payload }],
      ['a body that is too large', '8d', { options: [...path, block1(0), size1], payload }],
    ])('ends after the answer to %s', async (_what, code, parts) => {
      const bad = encodeMessage({
        code: methods.POST,
        token: Buffer.of(7),
        options: path,
        payload: Buffer.alloc(0),
        ...parts,
      });
      expect(await exchange([frame(csmWithBlocks), bad])).toMatch(new RegExp(`^${csm}d1..${code}07`));
    });

    it('is among the refusals that are counted', async () => {
      expect(await site.context.metrics.metrics()).toContain(
        'sallyport_coap_refused_total{path="/oic/sec/session",code="4.05"} 1',
      );
    });
  });

  it('ignores empty messages', async () => {
    expect(await exchange([frame(csm), frame('0000'), frame('0000'), notSignedIn])).toBe(csm + refusal);
  });
});

describe('a device that is signed in', () => {
  it('is told to the resources once, and gets their answers', async () => {
    work.begun.length = 0;
    await using client = await site.signedIn({ device });
    expect(answerOf(await client.ask('/here'))).toMatchObject({ code: '2.05', text: lamp });
    await send(client, '/oic/sec/session', { di: lamp, uid: '1', accesstoken: 'token of 1', login: true });
    expect(work.begun).toEqual([lamp]);
  });

  it('gets the answer to its sign-in before the first request of the gateway', async () => {
    site.registry.owners.set(`uuid:${lamp}`, '1');
    const accesstoken = site.provider.issue('token of 1');
    const signIn = encodeMessage({
      code: methods.POST,
      token: Buffer.of(7),
      options: ['oic', 'sec', 'session'].map((text) => ({ number: optionNumbers.uriPath, value: Buffer.from(text) })),
      payload: site.cbor({ di: lamp, uid: '1', accesstoken, login: true }),
    });
    const socket = await connectBare('TLSv1.3');
    const received: Buffer[] = [];
    socket.on('data', (bytes) => received.push(bytes));
    socket.write(Buffer.concat([frame(csm), signIn]));
    const text = () => Buffer.concat(received).toString('hex');
    await waitFor(() => text().includes(Buffer.from('hello').toString('hex')));
    expect(text().startsWith(`${csm}d1034407c22710ffa16965787069726573696e20`)).toBe(true);
    socket.destroy();
  });

  it('keeps its connection when the resources refuse something', async () => {
    await using client = await site.signedIn({ device });
    expect((await client.ask('/elsewhere')).code).toBe('4.04');
    expect(answerOf(await client.ask('/here'))).toMatchObject({ code: '2.05' });
  });

  it('may send a token of 3 KB in one message', async () => {
    const token = site.provider.issue('t'.repeat(3_072));
    site.registry.owners.set(`uuid:${lamp}`, '1');
    const body = { di: lamp, uid: '1', accesstoken: token, login: true };
    await using client = await site.connect({ device });
    expect((await send(client, '/oic/sec/session', body)).code).toBe('2.04');
  });

  it('may send a token of 3 KB in blocks of 1024 bytes', async () => {
    const token = site.provider.issue('t'.repeat(3_072));
    site.registry.owners.set(`uuid:${lamp}`, '1');
    const body = site.cbor({ di: lamp, uid: '1', accesstoken: token, login: true });
    const blocks = Array.from({ length: Math.ceil(body.length / 1024) }, (_each, number) =>
      encodeMessage({
        code: methods.POST,
        token: Buffer.of(number),
        options: [
          ...['oic', 'sec', 'session'].map((segment) => ({
            number: optionNumbers.uriPath,
            value: Buffer.from(segment),
          })),
          {
            number: optionNumbers.block1,
            value: encodeBlock({ number, hasMore: (number + 1) * 1024 < body.length, sizeExponent: 6 }),
          },
        ],
        payload: body.subarray(number * 1024, (number + 1) * 1024),
      }),
    );
    const received = await exchange([frame(csmWithBlocks), ...blocks, frame('00e4')]);
    const going = ['315f00d10e0e', '315f01d10e1e', '315f02d10e2e'].join('');
    expect(received.startsWith(`${csm}${going}d1064403c22710d10236ffa16965787069726573696e20`)).toBe(true);
  });
});
