import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PeerCapabilities } from '../endpoint/peer-capabilities.js';
import type { CoapResponse } from '../exchange.js';
import type { CoapMessage } from '../message.js';
import { type ReceivedRequest, requestOf } from '../request-of.js';
import { type ReceivedResponse, responseOf } from '../response-of.js';
import { messageOfRequest } from '../to-message.js';
import { BlockMemory } from './block-memory.js';
import type { Block } from './block-option.js';
import { BlockTransfers } from './block-transfers.js';

const lifetimeMs = 20_000;
const largestBodyBytes = 10_000;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface ConnectionOptions {
  readonly memory?: BlockMemory;
  readonly maxMessageBytes?: number;
  readonly isBlockWise?: boolean;
}

/** One connection: its peer sends requests, and an answer of `serve` is cut for it. */
class Connection {
  readonly transfers: BlockTransfers;
  readonly served: { path: readonly string[]; body: string }[] = [];
  answer: CoapResponse = { code: '2.04' };

  constructor(options: ConnectionOptions = {}) {
    const { memory = new BlockMemory({ mostBytes: 100_000, mostBytesEach: 40_000 }), ...csm } = options;
    const peer = new PeerCapabilities();
    peer.note({ kind: 'csm', maxMessageBytes: 1_152, isBlockWise: true, ...csm });
    this.transfers = new BlockTransfers({ memory, largestBodyBytes, lifetimeMs, peer });
  }

  ask(request: ReceivedRequest): ReceivedResponse {
    return responseOf(this.messageFor(request));
  }

  private messageFor(request: ReceivedRequest): CoapMessage {
    const received = this.transfers.receive(request);
    if ('answer' in received) return received.answer;
    const { path, payload } = received.request;
    this.served.push({ path, body: payload.toString() });
    return this.transfers.answer(request, this.answer);
  }
}

interface Part {
  readonly method?: 'GET' | 'POST';
  readonly path?: readonly string[];
  readonly query?: readonly string[];
  readonly contentFormat?: number;
  readonly payload?: string;
  readonly block1?: Block;
  readonly block2?: Block;
  readonly size1?: number;
  readonly requestTag?: Buffer;
}

let tokens = 0;

/** As from the wire: each message has another token. */
function part({
  method = 'POST',
  path = ['oic', 'rd'],
  payload = '',
  block1,
  block2,
  ...others
}: Part): ReceivedRequest {
  tokens += 1;
  const { query, contentFormat, size1, requestTag } = others;
  const request = {
    method,
    path,
    payload: Buffer.from(payload),
    ...(query === undefined ? {} : { query }),
    ...(contentFormat === undefined ? {} : { contentFormat }),
  };
  const blocks = { ...(block1 === undefined ? {} : { block1 }), ...(block2 === undefined ? {} : { block2 }) };
  const more = { ...(size1 === undefined ? {} : { size1 }), ...(requestTag === undefined ? {} : { requestTag }) };
  return requestOf(messageOfRequest(request, { token: Buffer.from([tokens % 256]), ...blocks, ...more }));
}

const block = (number: number, hasMore: boolean, sizeExponent = 0): Block => ({ number, hasMore, sizeExponent });
const words = ({ code, payload }: ReceivedResponse) => `${code} ${payload.toString()}`;
const incomplete = '4.08 the blocks before this one are not here: send all again';

describe('a request in blocks (RFC 7959 §2.5)', () => {
  it('is served once, when its last block came', () => {
    const connection = new Connection();
    const first = connection.ask(part({ payload: 'a'.repeat(16), block1: block(0, true), size1: 37 }));
    const second = connection.ask(part({ payload: 'b'.repeat(16), block1: block(1, true) }));
    expect([first, second].map(({ code, block1 }) => [code, block1])).toEqual([
      ['2.31', block(0, true)],
      ['2.31', block(1, true)],
    ]);
    expect(connection.served).toEqual([]);
    const last = connection.ask(part({ payload: 'ccccc', block1: block(2, false) }));
    expect([last.code, last.block1]).toEqual(['2.04', block(2, false)]);
    expect(connection.served).toEqual([{ path: ['oic', 'rd'], body: `${'a'.repeat(16)}${'b'.repeat(16)}ccccc` }]);
  });

  it('may be one block', () => {
    const connection = new Connection();
    expect(connection.ask(part({ payload: 'abc', block1: block(0, false) })).code).toBe('2.04');
    expect(connection.served).toEqual([{ path: ['oic', 'rd'], body: 'abc' }]);
  });

  it('may end with an empty block', () => {
    const connection = new Connection();
    connection.ask(part({ payload: 'a'.repeat(16), block1: block(0, true) }));
    connection.ask(part({ block1: block(1, false) }));
    expect(connection.served).toEqual([{ path: ['oic', 'rd'], body: 'a'.repeat(16) }]);
  });

  it('may have blocks of several units (BERT), and another size from one block to the next', () => {
    const connection = new Connection();
    connection.ask(part({ payload: 'a'.repeat(3_072), block1: block(0, true, 7) }));
    connection.ask(part({ payload: 'b'.repeat(1_024), block1: block(3, true, 7) }));
    connection.ask(part({ payload: 'c'.repeat(512), block1: block(8, true, 5) }));
    connection.ask(part({ payload: 'd'.repeat(1_500), block1: { number: 9, hasMore: false, sizeExponent: 5 } }));
    expect(connection.served).toEqual([]);
    connection.ask(part({ payload: 'a'.repeat(3_072), block1: block(0, true, 7) }));
    connection.ask(part({ payload: 'd'.repeat(1_500), block1: block(3, false, 7) }));
    expect(connection.served[0]?.body).toBe('a'.repeat(3_072) + 'd'.repeat(1_500));
  });

  it('does not mix with another one: by path, query and Request-Tag', () => {
    const connection = new Connection();
    const others: Part[] = [
      { path: ['oic', 'rd'] },
      { path: ['oic', 'other'] },
      { query: ['a=1'] },
      { query: ['a=2'] },
      { requestTag: Buffer.from([1]) },
      { requestTag: Buffer.from([2]) },
    ];
    for (const [index, other] of others.entries())
      connection.ask(part({ ...other, payload: String(index).repeat(16), block1: block(0, true) }));
    for (const other of others) connection.ask(part({ ...other, payload: '!', block1: block(1, false) }));
    expect(connection.served.map(({ body }) => body)).toEqual(
      [0, 1, 2, 3, 4, 5].map((each) => `${String(each).repeat(16)}!`),
    );
  });

  it('starts anew with its first block', () => {
    const connection = new Connection();
    connection.ask(part({ payload: 'a'.repeat(16), block1: block(0, true) }));
    connection.ask(part({ payload: 'b'.repeat(16), block1: block(0, true) }));
    connection.ask(part({ payload: '!', block1: block(1, false) }));
    expect(connection.served.map(({ body }) => body)).toEqual([`${'b'.repeat(16)}!`]);
  });

  it.each<[string, Part]>([
    ['the first block is missing', { path: ['x'], payload: 'b', block1: block(1, false) }],
    ['a block is missing', { payload: 'c', block1: block(2, false) }],
    ['a block comes twice', { payload: 'a'.repeat(16), block1: block(1, true) }],
    ['the Content-Format changes', { payload: 'c', block1: block(2, false), contentFormat: 50 }],
  ])('is answered 4.08 when %s', (_, next) => {
    const connection = new Connection();
    connection.ask(part({ payload: 'a'.repeat(16), block1: block(0, true) }));
    if (next.block1?.number !== 2 || next.contentFormat !== undefined)
      connection.ask(part({ payload: 'b'.repeat(16), block1: block(1, true) }));
    expect(words(connection.ask(part(next)))).toBe(incomplete);
    expect(connection.served).toEqual([]);
  });

  it.each<[string, Part]>([
    ['a block that others follow is short', { payload: 'a', block1: block(0, true) }],
    ['a block is too long', { payload: 'a'.repeat(17), block1: block(0, false) }],
    ['BERT has half a unit', { payload: 'a'.repeat(1_536), block1: block(0, true, 7) }],
    ['BERT has nothing', { block1: block(0, true, 7) }],
  ])('is answered 4.00 when %s', (_, next) => {
    expect(words(new Connection().ask(part(next)))).toBe('4.00 a block has another length than its Block1 option says');
  });

  it.each<[string, readonly Part[]]>([
    ['says at once that it is too large', [{ payload: 'a'.repeat(16), block1: block(0, true), size1: 10_001 }]],
    [
      'becomes too large',
      [
        { payload: 'a'.repeat(9_216), block1: block(0, true, 7) },
        { payload: 'a'.repeat(785), block1: block(9, false, 6) },
      ],
    ],
    ['has a block far behind the end', [{ payload: 'a', block1: block(1_048_575, false, 6) }]],
    ['is too large in one message', [{ payload: 'a'.repeat(10_001) }]],
  ])('is answered 4.13 with the allowed size when it %s', (_, parts) => {
    const connection = new Connection();
    const answers = parts.map((each) => connection.ask(part(each)));
    const last = answers.at(-1);
    expect(last).toMatchObject({ code: '4.13', size1: 10_000 });
    expect(last?.payload.toString()).toBe('a request has at most 10000 bytes');
    expect(connection.served).toEqual([]);
  });

  it('is forgotten when its next block does not come for 40 seconds', () => {
    const memory = new BlockMemory({ mostBytes: 100_000, mostBytesEach: 40_000 });
    const connection = new Connection({ memory });
    connection.ask(part({ payload: 'a'.repeat(16), block1: block(0, true) }));
    vi.advanceTimersByTime(19_999);
    connection.ask(part({ payload: 'a'.repeat(16), block1: block(1, true) }));
    vi.advanceTimersByTime(20_000);
    connection.ask(part({ payload: 'a'.repeat(16), block1: block(2, true) }));
    expect(memory.takenBytes).toBe(1_024);
    vi.advanceTimersByTime(40_000);
    expect(memory.takenBytes).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(words(connection.ask(part({ payload: '!', block1: block(3, false) })))).toBe(incomplete);
  });
});

describe('an answer in blocks (RFC 7959 §2.4)', () => {
  const body = Buffer.from(Array.from({ length: 3_000 }, (_, index) => index % 256));
  const format = 60;

  function fetchAll(connection: Connection, sizeExponent?: number): { pieces: number[]; whole: Buffer } {
    const wish = sizeExponent === undefined ? {} : { block2: block(0, false, sizeExponent) };
    let answer = connection.ask(part({ method: 'GET', ...wish }));
    const pieces = [answer.payload];
    for (let count = 0; answer.block2?.hasMore === true && count < 500; count += 1) {
      const { number, sizeExponent: exponent } = answer.block2;
      const units = exponent === 7 ? (pieces.at(-1)?.length ?? 0) / 1_024 : 1;
      answer = connection.ask(part({ method: 'GET', block2: block(number + units, false, exponent) }));
      pieces.push(answer.payload);
    }
    return { pieces: pieces.map(({ length }) => length), whole: Buffer.concat(pieces) };
  }

  it.each<[string, ConnectionOptions, number | undefined, number[]]>([
    ['whole, to a peer that takes it', { maxMessageBytes: 8_388_864 }, undefined, [3_000]],
    ['in the largest blocks that its peer takes', { maxMessageBytes: 1_152 }, undefined, [1_024, 1_024, 952]],
    ['in several units at once (BERT)', { maxMessageBytes: 2_500 }, undefined, [2_048, 952]],
    [
      'in small blocks to a peer with small messages',
      { maxMessageBytes: 700 },
      undefined,
      [512, 512, 512, 512, 512, 440],
    ],
    ['in the blocks that its peer asks for', { maxMessageBytes: 8_388_864 }, 5, [512, 512, 512, 512, 512, 440]],
    ['in BERT when its peer asks for it', { maxMessageBytes: 2_500 }, 7, [2_048, 952]],
    [
      'in smaller blocks than its peer asks for, when they do not fit',
      { maxMessageBytes: 700 },
      6,
      [512, 512, 512, 512, 512, 440],
    ],
  ])('comes %s', (_, options, sizeExponent, pieces) => {
    const connection = new Connection(options);
    connection.answer = { code: '2.05', contentFormat: format, payload: body };
    const fetched = fetchAll(connection, sizeExponent);
    expect(fetched.pieces).toEqual(pieces);
    expect(fetched.whole.equals(body)).toBe(true);
    expect(connection.served).toHaveLength(1);
  });

  it('says how large it is, and has one ETag in all its blocks', () => {
    const connection = new Connection();
    connection.answer = { code: '2.05', contentFormat: format, payload: body };
    const first = connection.ask(part({ method: 'GET' }));
    const second = connection.ask(part({ method: 'GET', block2: block(1, false, 6) }));
    expect(first).toMatchObject({ size2: 3_000, contentFormat: format, block2: block(0, true, 6) });
    expect(second).toMatchObject({ contentFormat: format, block2: block(1, true, 6) });
    expect(first.etag).toHaveLength(8);
    expect(second.etag).toEqual(first.etag);
  });

  it('keeps the number of a notification in its first block', () => {
    const connection = new Connection();
    const observing = part({ method: 'GET' });
    const first = responseOf(connection.transfers.answer(observing, { code: '2.05', observe: 7, payload: body }));
    expect(first).toMatchObject({ observe: 7, block2: block(0, true, 6) });
    expect(connection.ask(part({ method: 'GET', block2: block(1, false, 6) }))).not.toHaveProperty('observe', 7);
  });

  it('is asked of the resource again when a GET finds it no longer kept', () => {
    const connection = new Connection();
    connection.answer = { code: '2.05', payload: body };
    const second = connection.ask(part({ method: 'GET', block2: block(1, false, 6) }));
    expect(second.payload.equals(body.subarray(1_024, 2_048))).toBe(true);
    expect(connection.served).toHaveLength(1);
  });

  it('is answered 4.08 when another method finds it no longer kept: nothing is done twice', () => {
    const connection = new Connection();
    expect(words(connection.ask(part({ block2: block(1, false, 6) })))).toBe(
      '4.08 the answer is not kept any more: send the request again',
    );
    expect(connection.served).toEqual([]);
  });

  it('is answered 4.00 for a block behind its end', () => {
    const connection = new Connection();
    connection.answer = { code: '2.05', payload: body };
    expect(words(connection.ask(part({ method: 'GET', block2: block(9, false, 6) })))).toBe(
      '4.00 the answer has no block 9',
    );
  });

  it('follows a request that came in blocks', () => {
    const connection = new Connection();
    connection.answer = { code: '2.04', payload: body };
    connection.ask(part({ payload: 'a'.repeat(16), block1: block(0, true) }));
    const first = connection.ask(part({ payload: 'b', block1: block(1, false) }));
    expect(first).toMatchObject({ code: '2.04', block1: block(1, false), block2: block(0, true, 6) });
    const second = connection.ask(part({ block2: block(1, false, 6) }));
    expect(second.payload.equals(body.subarray(1_024, 2_048))).toBe(true);
    expect(connection.served).toHaveLength(1);
  });

  it('is refused when its peer takes neither the whole nor blocks', () => {
    const connection = new Connection({ maxMessageBytes: 1_152, isBlockWise: false });
    connection.answer = { code: '2.05', payload: body };
    expect(words(connection.ask(part({ method: 'GET' })))).toBe(
      '5.00 the answer has 3000 bytes; you take messages of 1152 bytes, and no blocks',
    );
  });

  it('is forgotten with its connection', () => {
    const memory = new BlockMemory({ mostBytes: 100_000, mostBytesEach: 40_000 });
    const connection = new Connection({ memory });
    connection.answer = { code: '2.05', payload: body };
    connection.ask(part({ method: 'GET' }));
    connection.ask(part({ payload: 'a'.repeat(16), block1: block(0, true) }));
    expect(memory.takenBytes).toBe(5_048);
    connection.transfers.close();
    expect(memory.takenBytes).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('the memory of transfers', () => {
  const kilobytes = (count: number, path: string): ReceivedRequest =>
    part({ path: [path], payload: 'a'.repeat(1_024 * count), block1: block(0, true, 7) });

  it('is bounded for each connection: its oldest transfer gives way', () => {
    const memory = new BlockMemory({ mostBytes: 100_000, mostBytesEach: 4_096 });
    const connection = new Connection({ memory });
    for (const path of ['a', 'b', 'c', 'd', 'e']) connection.ask(kilobytes(1, path));
    expect(memory.takenBytes).toBe(4_096);
    const last = (path: string) => part({ path: [path], payload: '!', block1: block(1, false, 6) });
    expect(connection.ask(last('b')).code).toBe('2.04');
    expect(words(connection.ask(last('a')))).toBe(incomplete);
  });

  it('is taken by many small answers too', () => {
    const memory = new BlockMemory({ mostBytes: 1_000_000, mostBytesEach: 41_000 });
    const connection = new Connection({ memory });
    connection.answer = { code: '2.05', payload: Buffer.alloc(30) };
    for (let count = 0; count < 100; count += 1)
      connection.ask(part({ method: 'GET', query: [`count=${count}`], block2: block(0, false) }));
    expect(memory.takenBytes).toBe(38 * 1_054);
  });

  it('is bounded for all: who has most gives way to who has less, and nobody else', () => {
    const memory = new BlockMemory({ mostBytes: 10_240, mostBytesEach: 9_216 });
    const [greedy, modest, newcomer] = [
      new Connection({ memory }),
      new Connection({ memory }),
      new Connection({ memory }),
    ];
    modest.ask(kilobytes(1, 'a'));
    for (const path of ['a', 'b', 'c']) greedy.ask(kilobytes(3, path));
    expect(memory.takenBytes).toBe(10_240);
    expect(newcomer.ask(kilobytes(2, 'a')).code).toBe('2.31');
    expect(memory.takenBytes).toBe(9_216);
    const last = part({ path: ['a'], payload: '!', block1: block(1, false, 6) });
    expect(modest.ask(last).code).toBe('2.04');
    expect(words(greedy.ask(part({ path: ['a'], payload: '!', block1: block(3, false, 6) })))).toBe(incomplete);
    expect(greedy.ask(part({ path: ['b'], payload: '!', block1: block(3, false, 6) })).code).toBe('2.04');
  });

  it('is not there for who has most already: 5.03, and nobody loses a transfer', () => {
    const memory = new BlockMemory({ mostBytes: 4_096, mostBytesEach: 4_096 });
    const [one, other] = [new Connection({ memory }), new Connection({ memory })];
    one.ask(kilobytes(2, 'a'));
    other.ask(kilobytes(2, 'a'));
    expect(words(one.ask(part({ path: ['a'], payload: 'a'.repeat(1_024), block1: block(2, true, 6) })))).toBe(
      '5.03 too many requests come in blocks: try again later',
    );
    expect(other.ask(part({ path: ['a'], payload: '!', block1: block(2, false, 6) })).code).toBe('2.04');
    expect(memory.takenBytes).toBe(0);
  });
});
