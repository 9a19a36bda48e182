import { describe, expect, it } from 'vitest';
import { encodeUint } from './option-values.js';
import { SignalError, signalOf } from './signals.js';

const empty = Buffer.alloc(0);
const signal = (code: number, options: readonly (readonly [number, Buffer])[] = [], payload = empty) => ({
  code,
  token: empty,
  options: options.map(([number, value]) => ({ number, value })),
  payload,
});

describe('signals (RFC 8323 §5)', () => {
  it.each([
    ['with nothing', [], { kind: 'csm', isBlockWise: false }],
    [
      'with both settings',
      [
        [2, encodeUint(8_388_864)],
        [4, empty],
      ],
      { kind: 'csm', isBlockWise: true, maxMessageBytes: 8_388_864 },
    ],
    ['with an option that may be ignored', [[6, empty]], { kind: 'csm', isBlockWise: false }],
    ['with a size that is too long', [[2, Buffer.alloc(5)]], { kind: 'csm', isBlockWise: false }],
  ] as const)('understand a CSM %s', (_, options, understood) => {
    expect(signalOf(signal(0xe1, options))).toEqual(understood);
  });

  it('refuse a CSM with an unknown critical option, and say which', () => {
    expect(() => signalOf(signal(0xe1, [[5, empty]]))).toThrow(
      new SignalError('signal 7.01 has unknown critical option 5', 5),
    );
  });

  it('refuse another signal with an unknown critical option', () => {
    expect(() => signalOf(signal(0xe2, [[1, empty]]))).toThrow(
      new SignalError('signal 7.02 has unknown critical option 1'),
    );
  });

  it.each([
    ['Ping', 0xe2, 'ping'],
    ['Pong', 0xe3, 'pong'],
    ['Release', 0xe4, 'release'],
  ])('understand a %s, with its elective options', (_, code, kind) => {
    expect(
      signalOf(
        signal(code, [
          [2, empty],
          [4, encodeUint(10)],
        ]),
      ),
    ).toEqual({ kind });
  });

  it('understand an Abort and what it says', () => {
    expect(signalOf(signal(0xe5, [[2, encodeUint(7)]], Buffer.from('no')))).toEqual({
      kind: 'abort',
      badCsmOption: 7,
      diagnostic: 'no',
    });
    expect(signalOf(signal(0xe5, [], Buffer.from([0xff])))).toEqual({ kind: 'abort', diagnostic: '' });
  });

  it('keep 256 bytes of what an Abort says', () => {
    expect(signalOf(signal(0xe5, [], Buffer.alloc(5_000, 'a')))).toEqual({
      kind: 'abort',
      diagnostic: 'a'.repeat(256),
    });
  });

  it('do not know 7.00 and 7.06', () => {
    expect([signalOf(signal(0xe0)), signalOf(signal(0xe6))]).toEqual([undefined, undefined]);
  });
});
