import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BodyReader } from './body-reader.js';
import { FramingError } from './faults.js';
import type { Framing } from './framing.js';
import { HeadAssembly } from './head-assembly.js';
import { readRequestHead } from './request-head.js';

/** Cuts bytes at these places, in any order. */
function splitAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const cuts = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].toSorted((a, b) => a - b);
  return cuts.slice(1).map((end, index) => bytes.subarray(cuts[index], end));
}

const places = fc.array(fc.nat({ max: 100_000 }), { maxLength: 40 });

function readBody(framing: Framing, pieces: readonly Buffer[]): { body: Buffer; rest: Buffer } {
  const reader = new BodyReader(framing);
  const [body, rest]: [Buffer[], Buffer[]] = [[], []];
  for (const piece of pieces) {
    const used = reader.isDone ? 0 : reader.read(piece, 0, (data) => void body.push(Buffer.from(data)));
    rest.push(piece.subarray(used));
  }
  if (!reader.isDone) reader.end();
  return { body: Buffer.concat(body), rest: Buffer.concat(rest) };
}

const bytesOf = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));

describe('the framing of a message', () => {
  it('is found wherever the network cuts a chunked body', () => {
    const chunk = fc.record({
      data: bytesOf(300).filter(({ length }) => length > 0),
      extension: fc.constantFrom('', ';a=b', ';q="1 2"'),
    });
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 12 }), bytesOf(50), places, (chunks, behind, cuts) => {
        const wire = chunks.map(({ data, extension }) =>
          Buffer.concat([Buffer.from(`${data.length.toString(16)}${extension}\r\n`), data, Buffer.from('\r\n')]),
        );
        const bytes = Buffer.concat([...wire, Buffer.from('0\r\nX-Sum: 1\r\n\r\n'), behind]);

        const { body, rest } = readBody('chunked', splitAt(bytes, cuts));

        expect(body).toEqual(Buffer.concat(chunks.map(({ data }) => data)));
        expect(rest).toEqual(behind);
      }),
    );
  });

  it('is found wherever the network cuts a body with a length', () => {
    fc.assert(
      fc.property(bytesOf(500), bytesOf(50), places, (data, behind, cuts) => {
        const { body, rest } = readBody(data.length, splitAt(Buffer.concat([data, behind]), cuts));

        expect([body, rest]).toEqual([data, behind]);
      }),
    );
  });

  it('never gives more of a broken chunked body than what came, and ends or refuses', () => {
    const noise = fc.array(fc.constantFrom('0', '1', 'a', 'F', '\r\n', '\r', '\n', ';', ':', ' ', 'x', '\0'), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(noise, places, (parts, cuts) => {
        const bytes = Buffer.from(parts.join(''), 'latin1');
        const outcome = (pieces: readonly Buffer[]): string => {
          try {
            return `body ${readBody('chunked', pieces).body.toString('latin1')}`;
          } catch (error) {
            if (error instanceof FramingError) return error.message;
            throw error;
          }
        };

        expect(outcome(splitAt(bytes, cuts))).toBe(outcome([bytes]));
      }),
      { numRuns: 500 },
    );
  });

  it('finds the same head wherever the network cuts it', () => {
    const text =
      'GET /a%2Fb?c=%C3%A4 HTTP/1.1\r\nHost: a.example:8001\r\nX-Cafe: \u00fc\r\nAccept:*/*\r\nEmpty:\r\n\r\nbody';
    fc.assert(
      fc.property(places, (cuts) => {
        const assembly = new HeadAssembly(1_000);
        let found: { target: string; raw: readonly string[]; rest: string } | undefined;
        let behind = '';
        for (const piece of splitAt(Buffer.from(text, 'latin1'), cuts)) {
          if (found !== undefined) behind += piece.toString('latin1');
          else {
            const head = assembly.take(piece);
            if (head === undefined) continue;
            const { target, fields } = readRequestHead(head.bytes, head.end, 100);
            found = { target, raw: fields.raw, rest: head.bytes.toString('latin1', head.end) };
          }
        }

        expect(found?.target).toBe('/a%2Fb?c=%C3%A4');
        expect(found?.raw).toEqual(['Host', 'a.example:8001', 'X-Cafe', '\u00fc', 'Accept', '*/*', 'Empty', '']);
        expect(`${found?.rest}${behind}`).toBe('body');
      }),
    );
  });
});
