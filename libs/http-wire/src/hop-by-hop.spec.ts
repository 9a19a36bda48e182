import { describe, expect, it } from 'vitest';
import { Fields } from './fields.js';
import { endToEndFields } from './hop-by-hop.js';

describe('the fields that an intermediary passes on (RFC 9110 §7.6.1)', () => {
  it.each([
    'Connection: keep-alive',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'Proxy-Authorization: Basic eDp5',
    'PROXY-AUTHENTICATE: Basic',
    'TE: trailers',
    'Trailer: Expires',
    'Transfer-Encoding: chunked',
    'Upgrade: websocket',
    'Content-Length: 5',
    'Expect: 100-continue',
  ])('do not hold %s', (line) => {
    const [name = '', value = ''] = line.split(': ');

    expect(endToEndFields(new Fields(['Accept', '*/*', name, value, 'X-Last', '1']))).toEqual([
      'Accept',
      '*/*',
      'X-Last',
      '1',
    ]);
  });

  it('do not hold what Connection names, in any letters and in any of its lines', () => {
    const raw = ['X-One', '1', 'connection', 'close, x-ONE', 'Connection', ' X-Two ,', 'x-two', '2', 'X-Three', '3'];

    expect(endToEndFields(new Fields(raw))).toEqual(['X-Three', '3']);
  });

  it('are unchanged, in their order, with names that come twice', () => {
    const raw = ['Set-Cookie', 'a=1', 'x-LOWER', '\u00fc  x', 'Set-Cookie', 'b=2'];

    expect(endToEndFields(new Fields(raw))).toEqual(raw);
  });

  it('do not hold what the caller leaves out', () => {
    expect(endToEndFields(new Fields(['Host', 'a', 'Accept', '*/*']), new Set(['host']))).toEqual(['Accept', '*/*']);
  });
});
